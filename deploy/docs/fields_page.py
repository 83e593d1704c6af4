"""Which fields a request may have, from the table that the check goes by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploy.docs.markdown import page, table
from postil.gateway.inference import body_limits
from postil.gateway.inference.fields.field import Field, Guard, Use
from postil.gateway.inference.fields.messages import MEDIA, ROLES
from postil.gateway.inference.fields.table import FIELDS, RENAMED
from postil.gateway.inference.fields.tools import MOST_TOOLS
from postil.gateway.inference.formats import Kind

_INTRODUCTION = """\
Every field of a request is held against one table (`gateway/inference/fields/table.py`) before anything else is done
with it. A field that is not in it is refused with 400 and the right name, and so is a value of another type or out of
bounds: a bool is no number, 1.0 is no whole number, and null is as good as left out. The engine's request is built
only of fields that were looked at.

- **open** is the base, and a release without a policy; **policy** is a release whose policy has a prompt, fixes
  sampling or checks; **constraint** is one whose policy restricts the output, to labels for example.
- *passed*: sent to the engine. *ignored*: taken, and not sent. *refused*: 400, but for a value that says what its
  absence says, such as `false`. *compared*: held against what the policy allows, and not sent; see
  [answers in a form of the client's own](../answers.md).
- Where a policy asks again, or falls back to another release, what that release refuses is left out.
- `structured_outputs` with `regex`, `grammar` or `structural_tag`, and a `response_format` of `structural_tag`, need
  the tenant's right `grammars` where they are passed.
"""
_BOUNDS = f"""\
Before it is decoded, a body is counted: at most {body_limits.MOST_VALUES} values (token ids among them),
{body_limits.MOST_KEYS} keys, {body_limits.MOST_STRINGS} strings, {body_limits.MOST_PARTS} objects and lists,
{body_limits.MOST_EXPONENTS} numbers with an exponent, {body_limits.MOST_DIGITS} digits of a number, and
{body_limits.MOST_OUTSIDE_MIB} MiB outside of its strings. More is refused with 400.
"""
_MESSAGES = """\
Of a message these are read, and all else in it is left out: `role` ({roles}), `content`, `name`, `tool_call_id`,
`tool_calls`, and `reasoning` (or `reasoning_content`) of the assistant's. Another role is refused. Content is a
string, or a list of parts: texts (`text`, `input_text`, `output_text`, `refusal`), which all checks see, and what a
base with eyes and ears takes ({media}), which a release with a policy refuses: no check sees them. `tools` are at
most {tools} functions, each with `name`, `description`, `parameters` and `strict`. What the policy says comes first,
in one system message with the client's own leading instructions.
"""


def fields_page() -> str:
    """The page: a table for each endpoint, messages, and old names."""
    shared = FIELDS[Kind.CHAT].keys() & FIELDS[Kind.TEXT].keys()
    same = {name for name in shared if FIELDS[Kind.CHAT][name] is FIELDS[Kind.TEXT][name]}
    parts = [
        _BOUNDS,
        "## Both endpoints",
        _rows({name: FIELDS[Kind.CHAT][name] for name in sorted(same)}),
    ]
    for kind, fields in FIELDS.items():
        parts += [f"## `{kind.value}`", _rows({name: fields[name] for name in sorted(fields.keys() - same)})]
    told = _MESSAGES.format(roles=", ".join(ROLES), media=", ".join(sorted(MEDIA)), tools=MOST_TOOLS)
    parts += ["## Messages and tools", told, "## Other names", table(["sent", "right"], [*_renamed()])]
    return page("Request fields", _INTRODUCTION.strip(), *(part.strip() for part in parts))


def _rows(fields: Mapping[str, Field]) -> str:
    rows = [
        (
            f"`{name}`",
            field.origin.value,
            "" if field.use(Guard.OPEN) is Use.REFUSED or field.type.words == "anything" else field.type.words,
            *(use.value for use in field.uses),
            field.instead or field.note,
        )
        for name, field in fields.items()
    ]
    return table(["field", "of", "type and bounds", "open", "policy", "constraint", "note"], rows)


def _renamed() -> Iterator[tuple[str, str]]:
    return ((f"`{old}`", f"`{new}`") for old, new in sorted(RENAMED.items()))
