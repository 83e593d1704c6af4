"""What a client's request has vLLM compile: schemas of answers and tools, choices, grammars. Bounded before it is sent.

vLLM compiles in few threads, without a limit, and nothing cancels it: one schema of 3 KB could hold everybody up for
minutes. What is let in compiles within a second or two; for how long a tenant may have grammars compiled is limited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from postil.gateway.errors import BadRequestError, ForbiddenError
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.rate_limiter import RequestLimits
from postil.registry.accounts.rights import Right
from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.choices import check_choices
from postil.registry.policy.grammars.schemas import MOST_MILLISECONDS, Schema, check_time, checked_parts

# In a language of their own, whose compile time nobody can tell beforehand.
_BY_RIGHT = ("regex", "grammar", "structural_tag", "whitespace_pattern")
_FIELDS = ("structured_outputs", "response_format", "tools")
Body = Mapping[str, Any]


class Compiled(NamedTuple):
    """What a request has compiled: its digest, and how long that takes, as estimated."""

    digest: str
    milliseconds: float


class GrammarGate:
    """Lets requests' schemas and grammars pass; ``limits`` count what each tenant has compiled."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits

    async def admit(self, caller: Caller, ask: CompletionRequest) -> None:
        """Check and count what a request has compiled. The gateway's own requests have no limits, and are not counted.

        Raises BadRequestError, ForbiddenError or RequestsLimitedError.
        """
        if ask.limits is None:
            return
        if (found := check_grammars(ask.body, caller, ask.limits.schema_bytes)) is not None:
            await self._limits.compile(caller.name, found.digest, found.milliseconds)


def check_grammars(body: Body, caller: Caller, schema_bytes: int) -> Compiled | None:
    """Refuse what would take vLLM too long to compile; return what it has to compile, None for nothing.

    Raises BadRequestError, or ForbiddenError where the caller lacks the right to grammars of its own.
    """
    asked = {name: body[name] for name in _FIELDS if body.get(name) is not None}
    if not asked:
        return None
    whole = msgspec.json.encode([asked, body.get("tool_choice")])
    if len(whole) > schema_bytes:
        name = max(asked, key=lambda each: len(msgspec.json.encode(asked[each])))
        raise BadRequestError(
            f"schemas and tools have {len(whole)} bytes, and a request may have {schema_bytes}; send less",
            param=name,
        )
    if not (constraints := list(_constraints(body))):
        return None
    parts: list[Schema] = []
    for name, kind, value in constraints:
        _check_right(caller, name, kind)
        with _named(name):
            parts += _checked(kind, value)
    with _named(constraints[-1][0]):
        milliseconds = check_time(parts).compile  # Of all together: the tools of a request become one grammar.
    # Nobody can tell the time of others: they count as the longest that is let in.
    milliseconds += MOST_MILLISECONDS * sum(kind in _BY_RIGHT for _, kind, _ in constraints)
    return Compiled(hashlib.sha256(whole).hexdigest(), milliseconds)


def _check_right(caller: Caller, name: str, kind: str) -> None:
    if kind in _BY_RIGHT and not caller.has(Right.GRAMMARS):
        raise ForbiddenError(
            f"this key may not send `{kind}`; send a JSON schema or choices, or ask for the right to grammars",
            param=name,
        )


@contextmanager
def _named(name: str | None) -> Iterator[None]:
    try:
        yield
    except GrammarError as error:
        raise BadRequestError(str(error), param=name) from None


def _checked(kind: str, value: Any) -> Sequence[Schema]:
    """Check one constraint; returns the parts of a schema. Raises GrammarError."""
    if kind == "json":
        return checked_parts(_decoded(value))
    if kind == "choice":
        check_choices(value)
        return ({"enum": value},)
    return ()


def _decoded(schema: Any) -> Any:
    """A schema may be sent as its JSON text."""
    if not isinstance(schema, str):
        return schema
    try:
        return msgspec.json.decode(schema)
    except (msgspec.DecodeError, RecursionError):
        raise GrammarError("the schema is not JSON; send it as an object") from None


def _constraints(body: Body) -> Iterator[tuple[str, str, Any]]:
    """(field, kind, value) of everything that constrains an answer; a kind is one of vLLM's ``structured_outputs``.

    The body's fields have their types (``fields.check``).
    """
    own = body.get("structured_outputs", {})
    for kind in ("json", "choice", *_BY_RIGHT):
        if own.get(kind) is not None:
            yield "structured_outputs", kind, own[kind]
    if (form := body.get("response_format")) is not None:
        yield from _response_format(form)
    # The schemas of tools constrain their calls, unless no tool may be called.
    if body.get("tool_choice") != "none":
        yield from _tools(body.get("tools", ()))


def _response_format(form: Body) -> Iterator[tuple[str, str, Any]]:
    if form["type"] == "json_schema":
        schema = form.get("json_schema", {}).get("schema")
        yield "response_format", "json", {} if schema is None else schema
    elif form["type"] == "structural_tag":
        yield "response_format", "structural_tag", form


def _tools(tools: Sequence[Body]) -> Iterator[tuple[str, str, Any]]:
    for function in (tool["function"] for tool in tools):
        # Also one without parameters: its name is spelt out, and its arguments are an object.
        yield "tools", "json", {"const": function["name"]}
        yield "tools", "json", function.get("parameters", {})
