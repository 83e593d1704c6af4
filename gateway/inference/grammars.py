"""What a client's request has vLLM compile: schemas of answers and tools, choices, grammars. Bounded before it is sent.

vLLM compiles in few threads, without a limit, and nothing cancels it: one schema of 3 KB could hold everybody up for
minutes. What is let in compiles within a second or two; how many different ones a tenant may have compiled is limited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from postil.gateway.errors import BadRequestError, ForbiddenError
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.rate_limiter import RequestLimits
from postil.registry.accounts.rights import Right
from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.choices import check_choices
from postil.registry.policy.grammars.schemas import Schema, check_time, checked_parts

# In a language of their own, whose compile time nobody can tell beforehand.
_BY_RIGHT = ("regex", "grammar", "structural_tag", "whitespace_pattern")
_FIELDS = ("structured_outputs", "response_format", "tools")
Body = Mapping[str, Any]


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
        if (digest := check_grammars(ask.body, caller, ask.limits.schema_bytes)) is not None:
            await self._limits.compile(caller.name, digest)


def check_grammars(body: Body, caller: Caller, schema_bytes: int) -> str | None:
    """Refuse what would take vLLM too long to compile; return the digest of what it has to compile, None for nothing.

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
    parts: list[Schema] = []
    constraints = list(_constraints(body))
    for name, kind, value in constraints:
        if kind in _BY_RIGHT and not caller.has(Right.GRAMMARS):
            raise ForbiddenError(
                f"this key may not send `{kind}`; send a JSON schema or choices, or ask for the right to grammars",
                param=name,
            )
        with _named(name):
            parts += _checked(kind, value)
    with _named(constraints[-1][0] if constraints else None):
        check_time(parts)  # Of all together: the tools of a request become one grammar.
    return hashlib.sha256(whole).hexdigest() if constraints else None


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
    """(field, kind, value) of everything that constrains an answer; a kind is one of vLLM's ``structured_outputs``."""
    own = body.get("structured_outputs")
    if own is not None and not isinstance(own, dict):
        raise BadRequestError("structured_outputs has to be an object", param="structured_outputs")
    for kind in ("json", "choice", *_BY_RIGHT):
        if own is not None and own.get(kind) is not None:
            yield "structured_outputs", kind, own[kind]
    yield from _response_format(body.get("response_format"))
    yield from _tools(body)


def _response_format(form: Any) -> Iterator[tuple[str, str, Any]]:
    if not isinstance(form, dict):
        return
    if form.get("type") == "json_schema":
        inner = form.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, dict) else None
        yield "response_format", "json", {} if schema is None else schema
    elif form.get("type") not in ("text", "json_object"):
        yield "response_format", "structural_tag", form


def _tools(body: Body) -> Iterator[tuple[str, str, Any]]:
    """The schemas of tools constrain their calls, unless no tool may be called."""
    tools = body.get("tools")
    if not isinstance(tools, list) or body.get("tool_choice") == "none":
        return
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and function.get("parameters") is not None:
            yield "tools", "json", function["parameters"]
