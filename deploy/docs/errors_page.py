"""The reference of errors: the tree, and each one's status, type and code."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.docs.markdown import code, first_sentence, page, table
from postil.gateway.errors import GatewayError

_LEAD = (
    "What a client can be answered besides an answer. `type` and `code` are in the error's body: OpenAI's shape under"
    " `/v1`, problem details elsewhere. The classes are in `gateway/errors.py`. What the engine refuses is told in"
    " one sentence, with OpenAI's code for it (`context_length_exceeded`, `unsupported_parameter`, `invalid_value`),"
    " and the field in `param` where one is at fault."
)


def errors_page() -> str:
    """``errors.md``."""
    heads = ["error", "status", "type", "code", "when"]
    return page("Errors", _LEAD, f"```text\n{_tree()}\n```", table(heads, [_row(one) for one in errors()]))


def errors(root: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    """Every error, by name, after the one that it is a kind of."""
    return [root, *(each for child in _children(root) for each in errors(child))]


def _children(root: type[GatewayError]) -> list[type[GatewayError]]:
    ours = (each for each in root.__subclasses__() if each.__module__.startswith("postil."))  # Not those of tests.
    return sorted(ours, key=lambda each: each.__name__)


def _tree() -> str:
    return "\n".join([_line(GatewayError), *_branches(GatewayError, "")])


def _branches(root: type[GatewayError], indent: str) -> Iterator[str]:
    children = _children(root)
    for child in children:
        last = child is children[-1]
        yield f"{indent}{'└── ' if last else '├── '}{_line(child)}"
        yield from _branches(child, indent + ("    " if last else "│   "))


def _line(error: type[GatewayError]) -> str:
    return f"{error.__name__} {error.status}"


def _row(error: type[GatewayError]) -> tuple[str, ...]:
    return (
        code(error.__name__),
        str(error.status),
        code(error.type),
        code(error.code or error.type),
        first_sentence(error),
    )
