"""Every kind of refusal that vLLM 0.32 has, as one sentence in OpenAI's shape."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.errors import EngineRefusedError, GatewayError
from postil.gateway.inference.engine_refusal import told
from postil.gateway.inference.policy_trial import ASKED_BY
from tests.gateway.conftest import House

LONG = "This model's maximum context length is 2048 tokens. However, your prompt contains "
# vLLM's words, and what is said of them: the beginning of the sentence, the code, the field.
REFUSALS: list[tuple[str, str, str, str | None]] = [
    (LONG + "at least 2049 input tokens, which exceeds this limit even without any output tokens. Please reduce the"
     " length of the input prompt. (parameter=input_tokens, value=2049)",
     "this model's maximum context length is 2048 tokens, and the prompt has at least 2049 input tokens; send less",
     "context_length_exceeded", "messages"),
    (LONG + "99999 characters (more than 32768 characters, which is the upper bound for 2048 input tokens). Please"
     " reduce the length of the input prompt. (parameter=input_text, value=99999)",
     "this model's maximum context length is 2048 tokens, and the prompt has 99999 characters; send less",
     "context_length_exceeded", "messages"),
    ("The decoder prompt (length 3000) is longer than the maximum model length of 2048. Make sure that `max_model_len`"
     " is no smaller than the number of text tokens.",
     "this model's maximum context length is 2048 tokens, and the request needs more",
     "context_length_exceeded", "messages"),
    ("Input length (22) exceeds model's maximum context length (20).",
     "this model's maximum context length is 20 tokens, and the request needs more",
     "context_length_exceeded", "messages"),
    ("max_tokens=5000 cannot be greater than max_model_len=2048. Please request fewer output tokens."
     " (parameter=max_tokens, value=5000)",
     "max_tokens is 5000, and this model's maximum context length is 2048 tokens", "invalid_value", "max_tokens"),
    ("base is not a multimodal model", "healthcare/triage takes texts only", "unsupported_parameter", "messages"),
    ("At most 0 image(s) may be provided in one prompt.", "healthcare/triage takes texts only",
     "unsupported_parameter", "messages"),
    ("You must set `--enable-mm-embeds` to input `image_embeds` (parameter=image_embeds)",
     "healthcare/triage takes texts only", "unsupported_parameter", None),
    ('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
     "this engine calls no tools", "unsupported_parameter", "tools"),
    ("The decoder prompt cannot be empty", "the prompt is empty", "invalid_value", "messages"),
    ("Token id 999999 is out of vocabulary", "Token id 999999 is out of vocabulary", "invalid_value", "messages"),
    ("token_id(s) [999999] in logit_bias contain out-of-vocab token ids. Vocabulary size: 49152 (parameter=logit_bias,"
     " value=[999999])", "token_id(s) [999999] in logit_bias contain out-of-vocab token ids; Vocabulary size: 49152",
     "invalid_value", "logit_bias"),
    ("n must be 1 when using greedy sampling, got 2.", "n must be 1 when using greedy sampling, got 2",
     "invalid_value", "n"),
    ("n must be at most 256, got 300. To increase this limit, set the VLLM_MAX_N_SEQUENCES environment variable.",
     "the engine takes no so large `n`", "invalid_value", "n"),
    ("`prompt_logprobs` are not available when `stream=True`. (parameter=prompt_logprobs)",
     "`prompt_logprobs` are not available when `stream=True`", "invalid_value", "prompt_logprobs"),
    ("Regex compilation timed out after 5s. The pattern may be too complex. Pattern: (a+)+",
     "the regex takes too long to compile", "invalid_value", None),
    ("Invalid grammar specification.", "Invalid grammar specification", "invalid_value", None),
    ("Conversation roles must alternate user/assistant/user/assistant/...", "the base's chat template does not take",
     "invalid_value", "messages"),
    ("As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the"
     " tokenizer does not define one.", "the base has no chat template", "unsupported_parameter", "messages"),
    ("thinking_token_budget is set but reasoning_config is not configured. Please set --reasoning-parser and/or"
     " --reasoning-config to use thinking_token_budget.", "this engine has no reasoning to bound",
     "unsupported_parameter", "thinking_token_budget"),
    ("The provided JSON schema contains features not supported by xgrammar.",
     "The provided JSON schema contains features not supported by xgrammar", "unsupported_parameter", None),
]  # fmt: skip
# pydantic's lists, as vLLM writes them: of 0.32, and of before.
LISTS: list[tuple[str, str, str | None]] = [
    ("1 validation error:\n  {'type': 'int_parsing', 'loc': 'body.n', 'msg': 'Input should be a valid integer',"
     " 'input': 'x', 'url': 'https://errors.pydantic.dev/2.14/v/int_parsing'}",
     "n: input should be a valid integer", "n"),
    ("2 validation errors:\n  {'type': 'value_error', 'loc': 'body', 'msg': \"Value error, Cannot set both"
     " `continue_final_message` and `add_generation_prompt` to True.\", 'ctx': {}}",
     "Cannot set both `continue_final_message`", None),
    ("1 validation error for ChatCompletionRequest\nstop\n  Input should be a valid string [type=string_type,"
     " input_value=3, input_type=int]\n    For further information visit https://errors.pydantic.dev/2.14/v/string_type",
     "stop: input should be a valid string", "stop"),
    ("1 validation error:\n  {'type': 'json_invalid', 'loc': 'body.3', 'ctx': {}}", "the engine refuses this", None),
]  # fmt: skip
# Of these no part is for a client.
INSIDES = ("parameter=", "value=", "https://", "pydantic", "--", "VLLM_", "\n")


def refused(message: str, status: int = 400, **beside: Any) -> GatewayError:
    body = {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status, **beside}}
    return told(EngineRefusedError(status, json.dumps(body).encode(), "healthcare/triage"))


def refusing(message: str) -> Callable[[dict[str, Any]], str | None]:
    """An engine that says this to every client, and takes the policy itself."""
    return lambda body: None if body.get("user") == ASKED_BY else message


@pytest.mark.parametrize(("words", "sentence", "code", "param"), REFUSALS, ids=[row[0][:40] for row in REFUSALS])
def test_a_refusal_is_one_sentence_with_openais_code(words: str, sentence: str, code: str, param: str | None) -> None:
    error = refused(words)
    assert str(error).startswith(sentence)
    assert (error.status, error.type, error.code, error.param) == (400, "invalid_request_error", code, param)
    assert not [inside for inside in INSIDES if inside in str(error)]


@pytest.mark.parametrize(("words", "sentence", "param"), LISTS, ids=[row[0][:40] for row in LISTS])
def test_pydantics_list_is_its_first_sentence(words: str, sentence: str, param: str | None) -> None:
    error = refused(words)
    assert str(error).startswith(sentence)
    assert (error.code, error.param) == ("invalid_value", param)
    assert not [inside for inside in INSIDES if inside in str(error)]


@pytest.mark.parametrize(
    "body",
    [b'{"error": "Something odd"}', b'{"detail": "Something odd"}', b'"Something odd"',
     b'{"error": {"detail": "Something odd"}}', b'{"error": {"message": "Something odd.", "param": ["x"]}}'],
)  # fmt: skip
def test_whatever_shape_an_engine_answers_in_the_client_gets_one(body: bytes) -> None:
    error = told(EngineRefusedError(400, body)).openai()["error"]
    assert error == {
        "message": "Something odd",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_value",
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": {}}', b"\xff", b'{"error": {"message": ""}}'])
def test_what_says_nothing_gets_a_general_sentence(body: bytes) -> None:
    assert str(told(EngineRefusedError(400, body))) in ("the engine refuses this request; see its fields in the"
        " reference, or ask without those that are not needed", "[]", "{}")  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "becomes"),
    [(500, "engine_error", 500), (503, "engine_unavailable", 503), (404, "engine_unavailable", 503),
     (501, "invalid_value", 400), (422, "invalid_value", 400)],
)  # fmt: skip
def test_what_the_engine_cannot_is_told_from_what_is_wrong(status: int, code: str, becomes: int) -> None:
    error = refused("EngineCore encountered an issue" if status >= 500 else "wrong", status)
    assert (error.status, error.code) == (becomes, code)
    assert status in (501, 422) or "EngineCore" not in str(error)


def test_a_very_long_refusal_is_not_read_to_its_end() -> None:
    assert len(str(refused("(" * 10_000_000))) < 300


def test_a_text_completion_names_its_prompt() -> None:
    body = json.dumps({"error": {"message": "The decoder prompt cannot be empty"}}).encode()
    assert told(EngineRefusedError(400, body), "prompt").param == "prompt"


def test_the_words_are_those_of_the_vllm_that_is_installed() -> None:
    found = find_spec("vllm")
    assert found is not None, "vLLM is not installed; run `make setup`"
    assert found.origin is not None
    root = Path(found.origin).parent
    rooms = ("entrypoints", "renderers", "v1/engine", "v1/structured_output", "multimodal")
    files = [
        root / "sampling_params.py",
        root / "exceptions.py",
        *(file for room in rooms for file in (root / room).rglob("*.py")),
    ]
    # Strings that go on in the next line are put together.
    source = re.sub(r'"\s*\n\s*[rf]{0,2}"', "", "\n".join(file.read_text(encoding="utf-8") for file in files))
    for words in (
        "maximum context length is ", "which exceeds this limit even without any output tokens",
        "longer than the maximum model length of ", "exceeds model's maximum context length", "cannot be greater than ",
        "is not a multimodal model", "may be provided in one prompt", "prompt cannot be empty", "--enable-mm-embeds",
        "--enable-auto-tool-choice", "--tool-call-parser", "VLLM_MAX_N_SEQUENCES", "VLLM_MAX_COMPLETION_PROMPTS",
        "Regex compilation timed out", "Chat template rendering timed out", "default chat template is no longer",
        "out-of-vocab token ids", "is out of vocabulary", "reasoning_config is not configured", "validation {label}",
        "parameter={self.parameter}", "Only 'application/json' is allowed",
    ):  # fmt: skip
        assert words in source, words


async def test_a_client_of_an_adapter_gets_openais_shape_for_what_the_engine_says(house: House, clinic: str) -> None:
    house.engine.refuses = refusing("base is not a multimodal model")
    answer = await house.ask(clinic)
    assert (answer.status_code, answer.json()) == (400, {"error": {
        "message": "healthcare/triage takes texts only; send no pictures, sound or files",
        "type": "invalid_request_error", "param": "messages", "code": "unsupported_parameter",
    }})  # fmt: skip
    house.engine.refuses = refusing(REFUSALS[0][0])
    for model in ("healthcare", "base"):
        error = (await house.ask(clinic, model=model)).json()["error"]
        assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
        assert "parameter=" not in error["message"]
