"""``postil diff``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.output import AsJson, console, print_json, print_table, short_time
from postil.gateway.cli.plugin_versions import describe_mismatches
from postil.registry.names import parse_release

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def diff(
    release: Annotated[str, typer.Argument(help="The release: domain/adapter@number.")],
    to: Annotated[
        str | None,
        typer.Argument(help="The release to compare with; default: compare the live release with the first."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two releases: policy, training figures, ranks and changed modules.

    Two releases are compared from the first to the second. One release is compared with the live one: that is what
    a promote would change.
    """
    names = {"to": release} if to is None else {"from": release, "to": to}
    params = {key: str(parse_release(name)) for key, name in names.items()}
    with connected() as client:
        found = call(client, "GET", "/api/v1/diff", params=params)
    if as_json:
        print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    _show_both(found["from"], found["to"])
    _show_policy(found["policy"])
    if found["problem"]:
        console().print(Text(f"\nthe files cannot be compared: {found['problem']}"))
        return
    _show_metrics(found["metrics"], found["same_validation"])
    _show_facts(found["adapter"])
    _show_kinds(found["kinds"])


def _show_both(before: dict[str, Any], after: dict[str, Any]) -> None:
    rows: list[Sequence[object]] = [
        ("created (UTC)", *(short_time(one["created"]) for one in (before, after))),
        ("actor", before["actor"], after["actor"]),
        ("note", before["note"], after["note"]),
    ]
    changed = [describe_mismatches(one["mismatches"]) for one in (before, after)]
    if any(changed):
        rows.append(("plugins changed since", *changed))
    yanks = [one["yanked"]["reason"] if one["yanked"] else "" for one in (before, after)]
    if any(yanks):
        rows.append(("yanked", *yanks))
    warned = ["; ".join(one["warnings"]) for one in (before, after)]
    if any(warned):
        rows.append(("warnings", *warned))
    if (before["base"], before["base_revision"]) != (after["base"], after["base_revision"]):
        rows.append(("base", *(f"{one['base']} {one['base_revision'][:19]}" for one in (before, after))))
    print_table(["", before["release"], after["release"]], rows, empty="")


def _show_policy(changes: list[dict[str, Any]]) -> None:
    console().print()
    rows = [
        (change["path"], _value(change, "before"), _value(change, "after"))
        for change in changes
        if "lines" not in change
    ]
    if rows or not changes:
        print_table(["policy", "before", "after"], rows, empty="the policy is the same")
    for change in changes:
        if "lines" in change:
            console().print(Text(f"{change['path']}:", style="bold"))
            for line in change["lines"]:
                console().print(Text(f"  {line}", style=_COLOURS.get(line[:1], "")))


def _show_metrics(metrics: list[dict[str, Any]], same_validation: bool | None) -> None:
    console().print()
    rows = [
        (one["name"], *(_figure(one["name"], one[key]) for key in ("before", "after")), _grown(one)) for one in metrics
    ]
    print_table(["metric", "before", "after", "change"], rows, empty="neither release has training figures")
    if same_validation is False:
        console().print("they were measured on different validation sets, so the figures cannot be compared")


def _show_facts(facts: list[dict[str, Any]]) -> None:
    console().print()
    changed = [(one["name"], _plain(one["before"]), _plain(one["after"])) for one in facts if not _same(one)]
    if changed:
        print_table(["adapter", "before", "after"], changed, empty="")
    kept = [f"{one['name']} {_plain(one['before'])}" for one in facts if _same(one)]
    if kept:
        console().print(Text(f"the same in both: {'; '.join(kept)}"))


def _show_kinds(kinds: list[dict[str, Any]]) -> None:
    console().print()
    if all(one["state"] == "identical" and not one["update"] for one in kinds):
        console().print("the weights are the same")
        return
    rows = [
        (
            one["kind"],
            one["layers"],
            one["modules"],
            one["state"],
            *(_share(one[part]) for part in ("a", "b", "update")),
        )
        for one in kinds
    ]
    print_table(["modules", "layers", "number", "tensors", "A moved", "B moved", "update moved"], rows, empty="")
    console().print("moved: the relative difference; update: the change that the adapter adds to the base")


def _value(change: dict[str, Any], key: str) -> str:
    if key not in change:
        return "(unset)"
    value = change[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _same(fact: dict[str, Any]) -> bool:
    return bool(fact["before"] == fact["after"])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}".replace("%", " %") if "accuracy" in name else f"{value:,}"


def _grown(fact: dict[str, Any]) -> str:
    change = fact["change"]
    if not change:
        return ""
    return f"{change * 100:+.1f} points" if "accuracy" in fact["name"] else f"{change:+,g}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.3g} %"
