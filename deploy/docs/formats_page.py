"""The APIs beside OpenAI's completions, and what is done with each of their fields, from the tables themselves."""

from __future__ import annotations

from deploy.docs.markdown import page, table
from postil.gateway.inference.formats import TRANSLATED, TranslatedFormat
from postil.gateway.inference.formats.other_fields import Handling

_INTRODUCTION = """\
Beside OpenAI's chat and text completions, two other APIs are answered: OpenAI's Responses at `/v1/responses`, which
is what newer clients of theirs ask by default, and Anthropic's Messages at `/v1/messages`. A request to one of them is
translated to a chat (`gateway/inference/formats/`), and its answer or stream back. Between, it is a chat: routed,
checked, judged, held back, reviewed and counted as one, with the same limits and the same headers beside the answer
(`x-postil-release`, `x-postil-fallback`, `x-postil-notice`, `x-postil-review`, and `x-request-timeout` on the way in).
Reviews and webhooks show the chat.

- A field that is not in the table is refused with 400 and its name, and so is a value of another type. What is
  translated is then held against the table of [request fields](request_fields.md), where a policy decides what a
  field may do.
- *honoured*: it does what its API says. *ignored*: taken, and nothing is done. *refused*: 400, with what to do instead.
  null is as good as left out.
- Texts, calls of functions and their results go both ways. Images, files and sound are refused.
- A `max_tokens` of Anthropic's is required, so that clients send what large models may: more than the tenant may have
  becomes what it may have. Elsewhere more is refused.
- An answer that a check cut off or replaced midway is marked as that in the API's own words: a response is
  `incomplete` with the reason `content_filter`, a message ends with the reason `refusal`. What is told of it stands
  under `postil`, in the response or in the event `message_delta`; without a stream it is in the headers.
- Some clients read what stands before a slash in `model` as a provider (openai-agents): give such a one the name of a
  domain, whose default adapter answers.
- Where checks hold a stream back, calls of functions leave at its end, after the text that came before them.
"""
_RESPONSES = """\
Nothing is stored: `store` is taken as false, the response says so, and each request brings the whole conversation.
`input` is a text, or a list of messages (`input_text`, `output_text`), `function_call`, `function_call_output` and
`reasoning`; the items of an earlier response can be sent back as they came. A client that sends an `item_reference`
in place of an item has to be told `store: false`.
`instructions` and the first messages of the system or the developer become one message of the system, after the
policy's. A stream has the events `response.created`, `response.in_progress`, `response.output_item.added` and
`.done`, `response.content_part.added` and `.done`, `response.output_text.delta` and `.done`,
`response.reasoning_text.delta` and `.done`, `response.function_call_arguments.delta` and `.done`, and ends with
`response.completed`, `response.incomplete` or `response.failed`.

```python
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="demo-clinic")
print(client.responses.create(model="healthcare/triage", input="My head hurts").output_text)
```
"""
_MESSAGES = """\
The key may be sent as `x-api-key` or as `Authorization`. `anthropic-version` and `anthropic-beta` are taken, whatever
they say, and may be left out: there is one shape of answers. Errors have Anthropic's shape: `{"type": "error",
"error": {"type": ..., "message": ...}}`. Content is a text, or blocks: `text`, of the assistant `tool_use` and
`thinking`, of the user `tool_result` (its `is_error` is ignored: say it in the text). The last message has to be the
user's. A stream has the events `message_start`, `ping`, `content_block_start`, `content_block_delta`,
`content_block_stop`, `message_delta`, `message_stop`, and `error` where it breaks off.
`POST /v1/messages/count_tokens` takes the same fields, without `max_tokens` too, and counts the tokens of what the
client sends, without what a policy puts in front of it; it is refused where the engine has no `/tokenize`.

```python
from anthropic import Anthropic

client = Anthropic(base_url="http://127.0.0.1:8080", api_key="demo-clinic")
message = client.messages.create(
    model="healthcare/triage", max_tokens=64, messages=[{"role": "user", "content": "My head hurts"}]
)
```
"""
_SAID = {"/v1/responses": _RESPONSES, "/v1/messages": _MESSAGES}


def formats_page() -> str:
    """The page: what all have in common, and for each API its particulars and its fields."""
    parts = [part for api in TRANSLATED for part in (f"## `{api.path}`", _SAID[api.path].strip(), _rows(api))]
    return page("API formats", _INTRODUCTION.strip(), *parts)


def _rows(api: TranslatedFormat) -> str:
    rows = [
        (
            f"`{name}`",
            field.handling.value,
            "" if field.handling is Handling.REFUSED or field.type.words == "anything" else field.type.words,
            field.note,
        )
        for name, field in api.fields.items()
    ]
    return table(["field", "", "type and bounds", "note"], rows)
