"""The form in which a client wants an answer that a policy restricts: as its schema says, or as a call of its tool.

What the client asks for is compared with what the policy allows, and never sent to the engine: the policy's constraint
is the same for all. Checks, fallbacks, reviews and analysis see the plain answer; the call is written at the very end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.admitted_labels import admitted
from postil.gateway.inference.admitted_schema import admits
from postil.gateway.inference.comparison_budget import ComparisonBudget
from postil.gateway.inference.request import OTHER_OUTPUTS, CompletionRequest
from postil.gateway.inference.routing.release import LoadedRelease
from postil.registry.errors import GrammarError
from postil.registry.policy.policy import Output

# So many labels stand in an error; and no more of a name.
_SHOWN, _NAMED = 20, 64
_decoder = msgspec.json.Decoder()
# Whether a schema is one for answers; ``tool``: for a tool's arguments.
Admits = Callable[[object, bool], bool]


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What a client asked for: the name of its ``tool`` to be called with the answer, or None for the plain answer.

    ``schema`` is what the answer has to fit, for policies with labels; ``budget`` is what is left for comparing it.
    """

    tool: str | None
    schema: object
    output: Output
    budget: ComparisonBudget = field(default_factory=ComparisonBudget, compare=False)

    def put(self, choice: dict[str, Any]) -> None:
        """Write the call into a choice of a chat. What is no JSON object, or was cut, stays a text."""
        if self.tool is None or choice.get("finish_reason") != "stop":
            return
        message = choice["message"]
        text = message.get("content")
        if message.get("tool_calls") or not isinstance(_read(text), dict):
            return
        function = {"name": self.tool, "arguments": text}
        call = {"id": f"call_{uuid.uuid4().hex}", "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [call]}
        choice["finish_reason"] = "tool_calls"

    def misfit(self, text: object) -> str | None:
        """A sentence for the client where an answer is not what its schema admits; None where it is."""
        answer = _read(text)
        if self.output.labels is None or self.schema is None or not isinstance(answer, dict):
            return None
        label = answer.get(self.output.field)
        if not isinstance(label, str) or len(answer) != 1 or self._takes(label):
            return None
        return f"The answer {label[:_NAMED]!r} is not among the values of the request's schema; add it there."

    def _takes(self, label: str) -> bool:
        """Whether the schema admits a label; what nothing is left to compare with is not complained of."""
        try:
            return bool(admitted(self.schema, self.output.field, {label}, self.budget))
        except GrammarError:
            return True


def asked_form(ask: CompletionRequest, release: LoadedRelease) -> AnswerForm | None:
    """The form of the answer where the client asks for one of its own; None for the answer as it is.

    ``json_object`` and ``text`` hold for every answer of such a release. Raises BadRequestError where the release
    cannot answer in the form.
    """
    body, output = ask.body, release.policy.output
    if output is None or OTHER_OUTPUTS.isdisjoint(body):
        return None
    given = [name for name in ("structured_outputs", "response_format", "tools") if body.get(name)]
    _check_size(body, given, ask)
    budget = ComparisonBudget()
    fits = partial(_admits, output, budget)
    schema = None
    for name, wanted in _schemas(body, release):
        if not _compared(name, fits, wanted, tool=False):
            raise _refused(
                release, output, name, f"`{name}` admits none of that; change it, leave it out, or ask `base`"
            )
        schema = wanted
    if body.get("tools") and body.get("tool_choice") != "none":
        tool, wanted = _called(body, release, output, fits, schema) or (None, schema)
        return AnswerForm(tool, wanted, output, budget)
    return None if schema is None else AnswerForm(None, schema, output, budget)


def _called(
    body: Mapping[str, Any], release: LoadedRelease, output: Output, fits: Admits, schema: object
) -> tuple[str, object] | None:
    """The name and schema of the first tool that takes the answer; None where the request's schema alone will do."""
    choice = body.get("tool_choice", "auto")
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    functions = [tool["function"] for tool in body["tools"]]
    for function in functions:
        wanted = function.get("parameters", {})
        if named in (None, function["name"]) and _compared("tools", fits, wanted, tool=True):
            return function["name"], wanted
    if schema is not None and choice == "auto":
        return None
    those = "no tool takes" if named is None else f"`{named[:_NAMED]}` does not take"
    why = f'{those} that as its arguments; change it, send `tool_choice: "none"`, or ask `base`'
    raise _refused(release, output, "tools", why)


def _schemas(body: Mapping[str, Any], release: LoadedRelease) -> Iterator[tuple[str, object]]:
    """(field, schema) of what the client wants the answer to fit. Raises BadRequestError for other constraints."""
    own = body.get("structured_outputs") or {}
    for kind, value in own.items():
        if kind in ("json", "choice"):
            yield "structured_outputs", _read(value) if isinstance(value, str) else _of(kind, value)
        elif kind in ("regex", "grammar", "structural_tag") and value is not None:
            raise _incomparable(release, "structured_outputs", kind)
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema = form.get("json_schema", {}).get("schema")
        yield "response_format", {} if schema is None else schema
    elif form.get("type") == "structural_tag":
        raise _incomparable(release, "response_format", "structural_tag")


def _of(kind: str, value: object) -> object:
    """Choices are texts, and so they say which answers there may be."""
    if kind != "choice" or not isinstance(value, list):
        return True if value is None else value
    return {"enum": [answer for each in value if (answer := _read(each)) is not None]}


def _compared(name: str, fits: Admits, schema: object, *, tool: bool) -> bool:
    try:
        return fits(schema, tool)
    except GrammarError as error:
        raise BadRequestError(str(error), param=name) from None
    except RecursionError:
        raise BadRequestError("the schema is nested too deep; send a flatter one", param=name) from None


def _admits(output: Output, budget: ComparisonBudget, schema: object, tool: bool) -> bool:
    """Whether a schema admits an answer of the policy's: one of its labels, or all of its own schema."""
    if output.labels is None:
        return admits(schema, output.json_schema, budget) and not (tool and not _names_something(schema))
    labels = {*output.labels, *([output.reject] if output.reject else [])}
    return bool(admitted(schema, output.field, labels, budget, closed=tool))


def _names_something(schema: object) -> bool:
    return isinstance(schema, dict) and bool(schema.get("properties") or "$ref" in schema or "anyOf" in schema)


def _check_size(body: Mapping[str, Any], given: Sequence[str], ask: CompletionRequest) -> None:
    """As where schemas are sent on. The gateway's own requests have no limits. Raises BadRequestError."""
    if ask.limits is None or ask.size <= ask.limits.schema_bytes:
        return
    sizes = {name: len(msgspec.json.encode(body[name])) for name in given}
    if sum(sizes.values()) > ask.limits.schema_bytes:
        raise BadRequestError(
            f"schemas and tools have {sum(sizes.values())} bytes, and a request may have {ask.limits.schema_bytes};"
            " send less",
            param=max(sizes, key=lambda name: sizes[name]),
        )


def _refused(release: LoadedRelease, output: Output, name: str, why: str) -> BadRequestError:
    return BadRequestError(f"{release.ref} restricts its output by policy to {_answers(output)}, and {why}", param=name)


def _incomparable(release: LoadedRelease, name: str, kind: str) -> BadRequestError:
    return BadRequestError(
        f"{release.ref} restricts its output by policy, and a `{kind}` cannot be compared with it; send a JSON schema,"
        f" leave out `{name}`, or ask `base`",
        param=name,
    )


def _answers(output: Output) -> str:
    """What a release answers, in words."""
    if output.labels is None:
        named = (output.json_schema or {}).get("properties")
        names = [name[:_NAMED] for name in named][:_SHOWN] if isinstance(named, dict) else []
        return f"an object with {', '.join(names)}" if names else "JSON by a schema of its own"
    labels = [*output.labels, *([output.reject] if output.reject else [])]
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return f'{{"{output.field}": ...}} with one of {", ".join(labels[:_SHOWN])}{more}'


def _read(text: object) -> Any:
    """A JSON text as a value; None where it is none."""
    try:
        return _decoder.decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, RecursionError):
        return None
