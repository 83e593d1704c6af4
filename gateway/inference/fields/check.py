"""Holds a request's fields against the table: once as it comes, and once for the release that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.field_refusals import (
    missing_field,
    undoing_field,
    unknown_field,
    unsupported_field,
    wrong_type,
)
from postil.gateway.inference.fields.field import Field, Guard, Use
from postil.gateway.inference.fields.messages import read_messages
from postil.gateway.inference.fields.table import FIELDS, RENAMED
from postil.gateway.inference.fields.tools import read_tool_choice, read_tools
from postil.gateway.inference.formats import Kind

_REQUIRED = {Kind.CHAT: "messages", Kind.TEXT: "prompt"}


def _check_of(field: Field) -> Callable[[Any], bool]:
    """What a value of a field passes: where it is refused everywhere, only one that says what its absence says."""
    return field.is_neutral if field.uses[0] is Use.REFUSED else field.type.fits


def _named(kind: Kind, guard: Guard, use: Use) -> frozenset[str]:
    return frozenset(name for name, field in FIELDS[kind].items() if field.use(guard) is use)


# One look-up for each field of a request: this is on the way of every completion.
_CHECKS = {kind: {name: _check_of(field) for name, field in fields.items()} for kind, fields in FIELDS.items()}
_USES = {
    kind: {guard: (_named(kind, guard, Use.PASSED), _named(kind, guard, Use.REFUSED)) for guard in Guard}
    for kind in FIELDS
}


def check_fields(kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
    """The body with all of it looked at: known fields of the right type, null left out. Raises BadRequestError."""
    checks = _CHECKS[kind]
    nulls = False
    for name, value in body.items():
        fits = checks.get(name)
        if fits is None:
            raise _unknown(kind, name)
        if value is None:
            nulls = True
        elif not fits(value):
            raise _refused(name, FIELDS[kind][name], value)
    if nulls:
        body = {name: value for name, value in body.items() if value is not None}
    if _REQUIRED[kind] not in body:
        raise missing_field(_REQUIRED[kind])
    if kind is Kind.CHAT:
        _read_chat(body)
    return body


def _read_chat(body: dict[str, Any]) -> None:
    body["messages"] = read_messages(body["messages"])
    if "tools" in body:
        body["tools"] = read_tools(body["tools"])
    if "tool_choice" in body:
        body["tool_choice"] = read_tool_choice(body["tool_choice"], body.get("tools") or ())


def engine_fields(
    kind: Kind, body: Mapping[str, Any], guard: Guard, release: str, *, lenient: bool = False
) -> dict[str, Any]:
    """What of a checked body the engine is sent by a release that guards its answers so.

    Raises BadRequestError for what the release refuses; where ``lenient``, that is left out, for the client has been
    answered by another release's rules.
    """
    passed, refused = _USES[kind][guard]
    sent = {name: value for name, value in body.items() if name in passed}
    if not lenient and not refused.isdisjoint(body):
        _refuse(kind, body, refused, release)
    if "stream_options" in sent and not sent.get("stream"):
        del sent["stream_options"]
    if "tools" in sent and not sent["tools"]:
        del sent["tools"]
    return sent


def _refuse(kind: Kind, body: Mapping[str, Any], refused: frozenset[str], release: str) -> None:
    """Raises BadRequestError for a refused field that says more than its absence."""
    for name, value in body.items():
        if name in refused and not FIELDS[kind][name].is_neutral(value):
            raise undoing_field(name, release)


def asks_for_prompt_logprobs(kind: Kind, body: Mapping[str, Any]) -> bool:
    """Whether the engine would compute the probabilities of a prompt's tokens."""
    if body.get("prompt_logprobs") is not None:
        return True
    return body.get("echo") is True and (kind is Kind.CHAT or body.get("logprobs") is not None)


def _refused(name: str, field: Field, value: Any) -> BadRequestError:
    if not field.type.fits(value):
        return wrong_type(name, field.type.words)
    return unsupported_field(name, field.instead or "leave it out")


def _unknown(kind: Kind, name: str) -> BadRequestError:
    return unknown_field(kind.value, name, _offered(kind), _advice(name))


def _advice(name: str) -> str | None:
    if (renamed := RENAMED.get(name)) is not None:
        return f"send `{renamed}`"
    for other, fields in FIELDS.items():
        if name in fields:
            return f"ask {other.value}, or leave it out"
    return None


def _offered(kind: Kind) -> Iterator[str]:
    return (name for name, field in FIELDS[kind].items() if field.uses[0] is not Use.REFUSED)
