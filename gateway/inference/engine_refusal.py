"""What a client is told of an engine's refusal: one sentence, with OpenAI's code for it, and never a policy's prompt.

vLLM refuses in many shapes: ``{"error": {...}}`` with its status as ``code``, ``{"error": "..."}``, a ``detail``,
pydantic's errors over many lines, sentences that end in ``(parameter=..., value=...)`` or advise what only its
operator can do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from postil.gateway.errors import BadRequestError, EngineRefusedError, EngineUnavailableError, GatewayError
from postil.gateway.inference.fields.table import FIELDS
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.inference.routing.release import LoadedRelease

# So many characters in a row are a quotation.
_QUOTED = 24
# pydantic quotes what it was given, on lines of their own.
_QUOTES_INPUT = re.compile(r"input_value=|\[type=")
# Signs that an error may write otherwise than the prompt has them, escapes among them; and all but ASCII's letters.
_SIGNS = re.compile(r"\\[nrt]|\\u[0-9a-fA-F]{4}|[\W_]+")
_NOT_ASCII = re.compile(r"[^A-Za-z0-9]+")
# A shorter one says nothing that is worth hiding.
_LEAST = 8
# A longer message is no sentence for a client, and it would take long to look through.
_MOST_CHARACTERS = 1000
_MOST_SHOWN = 300
_MOST_READ = 4096
_GENERAL = "the engine refuses this request; see its fields in the reference, or ask without those that are not needed"
_FAILED = "the engine failed on this request; ask again, or ask for less"
# It has not the weights, or too much to do: that is not the request's fault.
_NOT_NOW = (404, 408, 429, 502, 503, 504)
_decoder = msgspec.json.Decoder()


class EngineFailedError(GatewayError):
    """The engine failed on this request, and is well otherwise."""

    status = 500
    type = "server_error"
    code = "engine_error"


class _Said(NamedTuple):
    """What an engine said, whatever its shape."""

    message: str
    param: str | None


class _Kind(NamedTuple):
    """One kind of refusal: how vLLM's words are known, what is said in their place (None: they are), and its code.

    ``param`` is the field that is at fault, where vLLM does not name it as a client does.
    """

    words: re.Pattern[str]
    sentence: str | None
    code: str
    param: str | None = None


def _kind(words: str, sentence: str | None, code: str, param: str | None = None) -> _Kind:
    return _Kind(re.compile(words, re.IGNORECASE | re.DOTALL), sentence, code, param)


_TOO_LONG = "context_length_exceeded"
_VALUE, _UNSUPPORTED = "invalid_value", "unsupported_parameter"
_PROMPT = "prompt"
# In this order; the groups of the pattern can stand in the sentence.
_KINDS: Sequence[_Kind] = (
    _kind(
        r"maximum context length is (\d+) tokens.*contains (at least )?(\d+) (input tokens|characters)",
        "this model's maximum context length is {0} tokens, and the prompt has {1}{2} {3}; send less",
        _TOO_LONG,
    ),
    _kind(
        r"maximum (?:context|model) length\D{1,8}(\d+)",
        "this model's maximum context length is {0} tokens, and the request needs more; send less, or lower max_tokens",
        _TOO_LONG,
    ),
    _kind(
        r"^(max_\w+)=(\d+) cannot be greater than \w+=(\d+)",
        "{0} is {1}, and this model's maximum context length is {2} tokens; ask for fewer",
        _VALUE,
    ),
    _kind(r"^token id -?\d+ is out of vocabulary", None, _VALUE, _PROMPT),
    _kind(r"prompt cannot be empty", "the prompt is empty; send a text", _VALUE, _PROMPT),
    _kind(
        r"is not a multimodal model|may be provided in one prompt|unsupported chat content part|multimodal|multi-modal",
        "{model} takes texts only; send no pictures, sound or files",
        _UNSUPPORTED,
        "messages",
    ),
    _kind(r"enable-mm-embeds|enable-prompt-embeds|prompt_embeds", "{model} takes texts only", _UNSUPPORTED),
    _kind(
        r"auto.? tool choice requires|enable-auto-tool-choice|tool-call-parser|does not support tool",
        "this engine calls no tools; leave out `tools`",
        _UNSUPPORTED,
        "tools",
    ),
    _kind(r"reasoning.?parser|reasoning_config", "this engine has no reasoning to bound", _UNSUPPORTED),
    _kind(r"VLLM_MAX_N_SEQUENCES", "the engine takes no so large `n`; ask for fewer answers", _VALUE, "n"),
    _kind(r"VLLM_MAX_COMPLETION_PROMPTS", "the engine takes no so many prompts; send fewer", _VALUE, "prompt"),
    _kind(r"regex compilation timed out", "the regex takes too long to compile; send a simpler one", _VALUE),
    _kind(r"chat template rendering timed out", "the messages take too long to render; send less", _VALUE, "messages"),
    _kind(
        r"roles must alternate|only user(?:,| and) assistant|unexpected message role|system role not supported",
        "the base's chat template does not take these roles in this order; begin with at most one system message and"
        " let user and assistant alternate",
        _VALUE,
        "messages",
    ),
    _kind(
        r"chat template is no longer allowed|provide a chat template",
        "the base has no chat template; ask /v1/completions",
        _UNSUPPORTED,
        "messages",
    ),
    _kind(r"only 'application/json' is allowed", "send JSON, with `Content-Type: application/json`", _VALUE),
    _kind(r"not (?:yet )?(?:currently )?supported|does not support", None, _UNSUPPORTED),
)
# What ends a sentence of vLLM's, what advises its operator, and what is no sentence.
_AFTER = re.compile(r"\s*\((?:parameter|value)=.*\)\s*$", re.DOTALL)
_OPERATOR = re.compile(
    r"--[a-z][a-z-]+|VLLM_[A-Z]|https?://|Traceback|File \"|site-packages|<path>|skip_tokenizer_init"
)
# pydantic's list: "1 validation error:\n  {'type': 'int_parsing', 'loc': 'body.n', 'msg': 'Input should be ...', ...}".
_PYDANTIC = re.compile(r"validation errors?\b")
_LOCATION = re.compile(r"'loc': (?:'(?:body\.)?([^']*)'|\('body', '([^']*)')|^(?:body\.)?([\w.]+)$", re.MULTILINE)
_MESSAGE = re.compile(r"""'msg': (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")|^\s+(\S[^\n]*?) \[type=""", re.MULTILINE)
_NAMES = re.compile(r"\(parameter=([\w.]+)|^`?(\w+)`?[ .:=]|using `(\w+)`| in (\w+) contain")
_KNOWN = frozenset(name for fields in FIELDS.values() for name in fields)
_ENDS = re.compile(r"\.\s+(?=[A-Z`])")


def client_error(error: EngineRefusedError, release: LoadedRelease) -> EngineRefusedError:
    """The error under the release's public name; where it may quote the policy's prompt, a general sentence instead."""
    prompt = release.policy.system_prompt
    if prompt and _quotes(error.body, prompt):
        return EngineRefusedError(error.status, msgspec.json.encode(BadRequestError(_GENERAL).openai()), BASE)
    inside, outside = release.engine_name.encode(), release.ref.name.encode()
    return EngineRefusedError(error.status, error.body.replace(inside, outside), release.ref.name)


def told(error: EngineRefusedError, prompt: str = "messages") -> GatewayError:
    """The error that a client gets. ``prompt`` is the field that a prompt came in."""
    if error.status in _NOT_NOW:
        return EngineUnavailableError(f"the engine cannot answer for {error.model} now; try again in a moment")
    if error.status >= 500 and error.status != 501:
        return EngineFailedError(_FAILED)
    said = _said(error.body)
    for kind in _KINDS:
        if (found := kind.words.search(said.message)) is not None:
            groups = [group or "" for group in found.groups()]
            sentence = kind.sentence.format(*groups, model=error.model) if kind.sentence else _sentence(said.message)
            param = kind.param or _param(said)
            if kind.code == _TOO_LONG or param == _PROMPT:
                param = prompt
            return BadRequestError(sentence, param=param, code=kind.code)
    return BadRequestError(_sentence(said.message), param=_param(said), code=_VALUE)


def _said(body: bytes) -> _Said:
    try:
        decoded: Any = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Said("", None)
    error = decoded.get("error", decoded) if type(decoded) is dict else decoded
    if type(error) is not dict:
        error = {"message": error}
    message, param = error.get("message") or error.get("detail") or "", error.get("param")
    return _Said(str(message)[:_MOST_READ], param if type(param) is str else None)


def _param(said: _Said) -> str | None:
    """The field that is at fault, as a client calls it: the one that is named, or that vLLM's words begin with."""
    named = said.param
    if named is None:
        words = _LOCATION if _PYDANTIC.search(said.message) else _NAMES
        found = words.search(said.message)
        named = next((group for group in found.groups() if group), None) if found else None
    named = named.removeprefix("body.") if named else None
    return named if named and named.partition(".")[0] in _KNOWN else None


def _sentence(message: str) -> str:
    """vLLM's words as one sentence, where they are one for a client."""
    if _PYDANTIC.search(message):
        return _pydantic(message)
    line = " ".join(_AFTER.sub("", message).split())
    if not line or len(line) > _MOST_SHOWN or _OPERATOR.search(line):
        return _GENERAL
    return _ENDS.sub("; ", line.rstrip("."))


def _pydantic(message: str) -> str:
    """The first of pydantic's errors: its field and what should be there."""
    found, said = _MESSAGE.search(message), _param(_Said(message, None))
    if found is None:
        return _GENERAL
    text = next(group for group in found.groups() if group is not None)
    text = _AFTER.sub("", " ".join(text.removeprefix("Value error, ").split()))
    if len(text) > _MOST_SHOWN or _OPERATOR.search(text):
        return _GENERAL
    return f"{said}: {text[:1].lower()}{text[1:]}" if said else text


def _quotes(body: bytes, prompt: str) -> bool:
    """Whether a refusal has a part of a prompt in it, however its spaces and signs are escaped."""
    try:
        message = " ".join(str(value) for value in _decoder.decode(body)["error"].values())
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
        return True  # Whatever it is, it is not a sentence for a client.
    if len(message) > _MOST_CHARACTERS or _QUOTES_INPUT.search(message):
        return True
    reply, hidden = _SIGNS.sub("", message), _SIGNS.sub("", prompt)
    return _has_part(reply, hidden) or _has_part(_NOT_ASCII.sub("", reply), _NOT_ASCII.sub("", hidden))


def _has_part(reply: str, hidden: str) -> bool:
    length = min(_QUOTED, len(hidden))
    if length < _LEAST:
        return False
    parts = {reply[start : start + length] for start in range(len(reply) - length + 1)}
    return any(hidden[start : start + length] in parts for start in range(len(hidden) - length + 1))
