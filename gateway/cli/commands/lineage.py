"""``postil lineage``: the way from rows to a release, through the releases before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import httpx
import typer
from rich.text import Text
from rich.tree import Tree

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.output import AsJson, console, print_json, short_time
from postil.gateway.telemetry.terminal import visible
from postil.plugins import ReleaseRef
from postil.registry.errors import NameInvalidError
from postil.registry.names import parse_release

Values = Mapping[str, Any]
# A report may name anything as its parent.
_MOST_PARENTS = 20
_DIGEST = slice(7, 19)
# The options that say most; the others stand in the JSON.
_OPTIONS = ("method", "tune", "rank", "alpha", "epochs", "max_steps", "learning_rate", "batch_size", "seed", "reject")
_UNKNOWN = {
    "parent": "which release it was made to replace",
    "reviews": "whether decided reviews are in it",
    "files": "the files of its rows",
    "method": "how it was trained",
    "evaluation": "its figures on held-out rows",
    "comparison": "how it compares with the release before",
}


def lineage(
    release: Annotated[str, typer.Argument(help="The release: domain/adapter@number.")],
    parents: Annotated[int, typer.Option(min=0, max=_MOST_PARENTS, help="Releases before it to show, at most.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show the way from rows to a release: files, decisions, training, figures, and the releases before it.

    What a release says of itself comes from the report beside its weights; who published it, from the log. What is
    not known of a release that was made otherwise is said.
    """
    ref = parse_release(release)
    with connected() as client:
        found = list(_chain(client, ref, parents))
    if as_json:
        print_json({"data": found})
        return
    screen = console()
    for one in found:
        screen.print(_tree(one))


def _chain(client: httpx.Client, ref: ReleaseRef, parents: int) -> Iterator[Values]:
    """The release, and those before it as far as this key sees them."""
    seen = {str(ref)}
    one = _lineage(client, ref)
    yield one
    for _ in range(parents):
        before = _parent(one)
        if before is None or str(before) in seen:
            return
        seen.add(str(before))
        try:
            one = _lineage(client, before)
        except CommandError as error:
            yield {"release": str(before), "problem": str(error)}
            return
        yield one


def _lineage(client: httpx.Client, ref: ReleaseRef) -> Values:
    found: Values = call(client, "GET", f"/api/v1/adapters/{ref.domain}/{ref.adapter}/releases/{ref.number}/lineage")
    return found


def _parent(one: Values) -> ReleaseRef | None:
    """The release before, or None where a report names no possible one."""
    try:
        return parse_release(one["parent"]["release"]) if one["parent"] else None
    except NameInvalidError:
        return None


def _tree(one: Values) -> Tree:
    tree = Tree(_text(one["release"]), guide_style="dim")
    if "problem" in one:
        tree.add(_text(one["problem"]))
        return tree
    tree.add(_text(f"published {short_time(one['created'])} by {one['actor']}{_quoted(one['note'])}"))
    tree.add(_text(f"artifact {one['artifact'][_DIGEST]}, policy {one['policy_digest'][_DIGEST]}"))
    tree.add(_text(f"base {one['base']}, revision {one['base_revision'].removeprefix('sha256:')[:12]}"))
    for name, lines in _parts(one):
        branch = tree.add(_text(name))
        for line in lines:
            branch.add(_text(line))
    return tree


def _parts(one: Values) -> Iterator[tuple[str, Sequence[str]]]:
    """What is known of each part, in the order in which it was made, and what is not."""
    for name, show in _SHOWN.items():
        if one[name]:
            yield show(one), []
        if name == "job" and one["files"]:
            yield "rows", [_file(file) for file in one["files"]]
    if one["unknown"]:
        yield "not known", [_UNKNOWN.get(name, name) for name in one["unknown"]]


def _reviews(one: Values) -> str:
    found = one["reviews"]
    since = f" since {found['since']}" if found["since"] else ""
    return f"{found['count']} decided reviews{since}, {found['added']} of them new ({found['digest'][_DIGEST]})"


def _file(found: Values) -> str:
    return f"{found['role']}: {found['file']}, {found['rows']} rows ({found['digest'][_DIGEST]})"


def _method(one: Values) -> str:
    found = one["method"]
    options = found["options"]
    known = [f"{name.replace('_', ' ')} {options[name]}" for name in _OPTIONS if options.get(name) is not None]
    return f"trained by {', '.join(known)}" if known else "trained with options that are not shown here"


def _evaluation(one: Values) -> str:
    found = one["evaluation"]
    base = "" if found["base_right"] is None else f", the base {found['base_right']}"
    span = found["interval"]
    interval = f" ({100 * span[0]:.1f}-{100 * span[-1]:.1f} %)" if span else ""
    return f"{found['right']} of {found['examples']} rows of {found['file']} right{interval}{base}{_uses(found)}"


def _uses(found: Values) -> str:
    """How often the held-out rows were used; nothing where the gateway did not count yet."""
    if not found["uses"]:
        return ""
    many = "1 adapter was" if found["uses"] == 1 else f"{found['uses']} adapters were"
    worn = "; they are worn out, hold out new ones" if found["uses"] > found["limit"] else ""
    return f"; {many} measured with these rows{worn}"


def _job(one: Values) -> str:
    return f"fine-tuning job {one['job']['id']}"


def _check(one: Values) -> str:
    return f"data check: {one['check']['errors']} errors, {one['check']['warnings']} warnings"


def _comparison(one: Values) -> str:
    found, parent = one["comparison"], one["parent"]
    beside = parent["release"] if parent else "a release that is not named"
    return (
        f"beside {beside}: only this one right on {found['only_after']} rows, only that one on"
        f" {found['only_before']}, McNemar p = {found['p']:.2g}"
    )


# What is told of each part.
_SHOWN: Mapping[str, Callable[[Values], str]] = {
    "reviews": _reviews,
    "job": _job,
    "check": _check,
    "method": _method,
    "evaluation": _evaluation,
    "comparison": _comparison,
}


def _quoted(note: str) -> str:
    return f": {note}" if note else ""


def _text(line: str) -> Text:
    return Text(visible(line))
