"""``postil usage`` and ``postil tenants limit``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import call, call_list, connected
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    say,
    show_list,
)

_SHORT = {
    "requests_per_minute": "requests/min",
    "tokens_per_minute": "tokens/min",
    "tokens_per_day": "tokens/day",
    "concurrent": "at a time",
    "connections": "connections",
    "sequences": "sequences/request",
    "output_tokens": "tokens/answer",
    "schema_kib": "KiB of schema",
}
_COUNTS = ("requests", "prompt_tokens", "completion_tokens")


class By(Enum):
    """What usage is grouped by."""

    TENANT = "tenant"
    ADAPTER = "adapter"
    RELEASE = "release"
    DAY = "day"


def usage(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Only this adapter, or `base`.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day on (UTC), such as 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to and including this day (UTC).")] = None,
    by: Annotated[By, typer.Option(help="Group by this.")] = By.TENANT,
    limit: Limit = DEFAULT_LIMIT,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Show usage as the engine counted it: answers, retries by policies, and copies for shadows.

    JSON: `{"data": [...], "next": ...}`.
    """
    asked = {"tenant": tenant, "adapter": adapter, "since": since, "until": until, "by": by.value}
    with connected() as client:
        params = {name: value for name, value in asked.items() if value is not None}
        found = call_list(client, "/api/v1/usage", params, 0 if all_ else limit)
    show_list(
        found,
        [by.value, "requests", "uncounted", "prompt", "completion", "retry", "retry tokens", "shadow", "shadow tokens"],
        [_row(by.value, entry) for entry in found.data],
        empty="nothing was used in that time",
        as_json=as_json,
    )


def _row(by: str, entry: dict[str, Any]) -> list[object]:
    row: list[object] = [entry[by], entry["requests"], entry["uncounted"] or "", *(entry[name] for name in _COUNTS[1:])]
    for kind in ("retry", "shadow"):
        counts = entry.get(kind)
        row += [counts["requests"], counts["prompt_tokens"] + counts["completion_tokens"]] if counts else ["", ""]
    return row


def limit(
    name: Annotated[str, typer.Argument(help="The tenant's name.")],
    requests_per_minute: Annotated[int | None, typer.Option(help="Maximum requests per minute.")] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(help="Maximum tokens per minute, prompts and answers together.")
    ] = None,
    tokens_per_day: Annotated[
        int | None, typer.Option(help="Maximum tokens per day, prompts and answers together.")
    ] = None,
    concurrent: Annotated[int | None, typer.Option(help="Maximum concurrent requests on each gateway.")] = None,
    connections: Annotated[
        int | None, typer.Option(help="Maximum running requests of all its keys, per process.")
    ] = None,
    sequences: Annotated[int | None, typer.Option(help="Maximum prompts times choices of one request.")] = None,
    output_tokens: Annotated[int | None, typer.Option(help="Maximum tokens of one answer.")] = None,
    schema_kib: Annotated[int | None, typer.Option(help="Maximum KiB of JSON schemas and tools in a request.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the limits that are not given.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set a tenant's limits, or show them. Limits that you leave out stay as they are."""
    given = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "tokens_per_day": tokens_per_day,
        "concurrent": concurrent,
        "connections": connections,
        "sequences": sequences,
        "output_tokens": output_tokens,
        "schema_kib": schema_kib,
    }
    given = {key: value for key, value in given.items() if value is not None}
    with connected() as client:
        limits = call(client, "GET", f"/api/v1/tenants/{name}/limits")
        if given or clear:
            limits = call(client, "PUT", f"/api/v1/tenants/{name}/limits", json={**({} if clear else limits), **given})
    say(limits, f"{name}: {in_short(limits) or 'no limits'}", as_json)


def in_short(limits: dict[str, int | None]) -> str:
    """Return limits as one line."""
    return ", ".join(f"{limits[key]} {short}" for key, short in _SHORT.items() if limits.get(key) is not None)
