"""What the built-in plugins share: the edges of a part, the words of a request, of a tool call, of a happening."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from postil.plugins.types import Completion, Notification, Span

# Whose texts a template may put in front of a chat: with these roles, they are looked at.
_TOLD = frozenset({"tool", "system", "developer"})


def inner(completion: Completion) -> tuple[int, int]:
    """From where to where a match may reach in a part, so that the character on either side of it can be seen."""
    first = 0 if completion.offset == 0 else 1
    return first, len(completion.text) - (0 if completion.ends else 1)


def merged(found: Iterable[tuple[int, int]]) -> tuple[Span, ...]:
    """Spans in their order, those that touch or overlap made one."""
    spans: list[Span] = []
    for start, end in sorted(found):
        if spans and start <= spans[-1].end:
            spans[-1] = Span(spans[-1].start, max(end, spans[-1].end))
        else:
            spans.append(Span(start, end))
    return tuple(spans)


def asked(request: Mapping[str, Any], roles: Collection[str] | None = ("user",)) -> list[str]:
    """The texts of a request's messages by these roles (None: all), the parts of one joined; or its prompt.

    They are all that a template can show the model of a message: its name, reasoning and tool calls too. What tools say
    of themselves, and a schema for the answer, go with the roles ``tool`` and ``system``.
    """
    if "messages" in request:
        told = [_said(one) for one in _messages(request) if roles is None or one.get("role") in roles]
        return told if roles is not None and _TOLD.isdisjoint(roles) else [*told, *_definitions(request)]
    prompt = request.get("prompt")
    if isinstance(prompt, str):
        return [prompt]
    return [text for text in prompt if isinstance(text, str)] if isinstance(prompt, list | tuple) else []


def asked_last(request: Mapping[str, Any]) -> list[str]:
    """What the user has said since the last answer; or the prompt."""
    if "messages" not in request:
        return asked(request)
    messages = _messages(request)
    answers = [number for number, one in enumerate(messages) if one.get("role") == "assistant"]
    return asked({"messages": messages[answers[-1] + 1 :] if answers else messages})


def ends(texts: Sequence[str], characters: int) -> list[str]:
    """The last so many characters of all texts together, as the texts that they stand in."""
    kept: list[str] = []
    for text in reversed(texts):
        if characters <= 0:
            break
        kept.append(text[-characters:])
        characters -= len(text)
    return kept[::-1]


def tool_texts(completion: Completion) -> Iterator[str]:
    """What tool calls say: their names, their arguments as they stand, and each text within the arguments."""
    for call in completion.tool_calls:
        function = call.get("function") or {}
        raw = str(function.get("arguments") or "")
        yield str(function.get("name") or "")
        yield raw
        try:
            yield from _strings(json.loads(raw))
        except (ValueError, RecursionError):
            continue


def label_answer(field: str, label: str) -> str:
    """The answer that a label is, as adapters learn it and decoding allows it: with real characters, not ``\\u1234``.

    No tokenizer has learned escapes: they take many times the tokens, and no adapter was trained to say them.
    """
    return json.dumps({field: label}, ensure_ascii=False)


def as_json(notification: Notification) -> str:
    """A happening as one line of JSON."""
    values = {field.name: getattr(notification, field.name) for field in fields(notification)}
    values |= {"at": notification.at.isoformat(), "details": dict(notification.details)}
    return json.dumps(values, default=str)


def _messages(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = request["messages"]
    return [one for one in messages if isinstance(one, dict)] if isinstance(messages, list | tuple) else []


def _said(message: Mapping[str, Any]) -> str:
    """All texts of one message."""
    text = _content(message.get("content"))
    if len(message) <= 2:
        return text
    beside = [message.get(key) for key in ("name", "reasoning")]
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        function = (call.get("function") if isinstance(call, dict) else None) or {}
        beside += [function.get("name"), function.get("arguments")]
    return "\n".join([text, *(one for one in beside if isinstance(one, str) and one)])


def _definitions(request: Mapping[str, Any]) -> Iterator[str]:
    """What tools say of themselves, as JSON without escapes; and a schema for the answer."""
    tools = request.get("tools")
    for tool in tools if isinstance(tools, list | tuple) else ():
        yield json.dumps(tool, ensure_ascii=False)
    form = request.get("response_format")
    if isinstance(form, dict) and "json_schema" in form:
        yield json.dumps(form["json_schema"], ensure_ascii=False)


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner_value in value.items():
            yield key
            yield from _strings(inner_value)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
