"""``postil reviews list | show | assign | approve | edit | reject | undo | purge``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import call, call_list, connected, user
from postil.gateway.cli.output import (
    All,
    AsJson,
    Limit,
    print_json,
    print_table,
    say,
    short_time,
    show_list,
)

Which = Annotated[str, typer.Argument(help="The review's id, or the start of it.")]
Note = Annotated[str, typer.Option("--note", help="A remark, stored with the decision.")]


def make_cli() -> typer.Typer:
    """Return the `reviews` command group."""
    cli = typer.Typer(help="Answers that wait for a person.", no_args_is_help=True)
    cli.command("list")(list_reviews)
    for command in (show, assign, approve, edit, reject, undo, purge):
        cli.command()(command)
    return cli


def list_reviews(
    status: Annotated[str | None, typer.Option(help="open, approved, edited, rejected, or all.")] = "open",
    domain: Annotated[str | None, typer.Option(help="Only reviews of this domain.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only reviews that are assigned to you.")] = False,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Newest first instead of oldest first.")] = False,
    limit: Limit = 0,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """List the reviews, all of them and oldest first, without their texts: `show` shows one, and that is recorded.

    JSON: `{"data": [...], "next": ...}`.
    """
    wanted = {
        "status": None if status == "all" else status,
        "domain": domain,
        "assigned_to": user() if mine else None,
    }
    params: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if newest_first:
        params["newest_first"] = True
    with connected() as client:
        found = call_list(client, "/api/v1/reviews", params, 0 if all_ else limit)
    rows = [
        (
            row["id"][:8],
            row["status"],
            short_time(row["created"]),
            row["release"],
            row["assigned_to"],
            _cut(row["reason"]),
        )
        for row in found.data
    ]
    show_list(
        found,
        ["id", "status", "since (UTC)", "release", "for", "reason"],
        rows,
        empty="no review is open" if status == "open" else "there are no such reviews",
        as_json=as_json,
    )


def show(which: Which, as_json: AsJson = False) -> None:
    """Show one review in full."""
    with connected() as client:
        review = call(client, "GET", f"/api/v1/reviews/{which}")
    if as_json:
        print_json(review)
        return
    shown = [
        "id",
        "status",
        "release",
        "tenant",
        "created",
        "reason",
        "conversation",
        "answer",
        "holding",
        "assigned_to",
        "decided_by",
        "decided",
        "final",
        "note",
        "webhook",
        "drawn_by",
        "keep_until",
        "shortened",
        "request_id",
    ]
    review["conversation"] = "\n".join(f"{turn['role']}: {turn['content']}" for turn in review["conversation"])
    print_table(["", ""], [(name.replace("_", " "), review[name]) for name in shown if review[name]], empty="")


def assign(
    which: Which, person: Annotated[str, typer.Argument(help="The person who should decide.")], as_json: AsJson = False
) -> None:
    """Assign a review to a person."""
    _say(_act(which, "assign", {"person": person}), f"is assigned to {person}", as_json)


def approve(which: Which, note: Note = "", as_json: AsJson = False) -> None:
    """Approve the model's answer."""
    _say(_act(which, "approve", {"note": note}), "is approved", as_json)


def edit(
    which: Which,
    answer: Annotated[str, typer.Argument(help="The correct answer: a label, or the full text.")],
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Replace the model's answer with another one."""
    review = _act(which, "edit", {"answer": answer, "note": note})
    _say(review, f"is answered with {review['final']}", as_json)


def reject(which: Which, note: Note = "", as_json: AsJson = False) -> None:
    """Reject the model's answer without giving another one."""
    _say(_act(which, "reject", {"note": note}), "is rejected", as_json)


def undo(which: Which, as_json: AsJson = False) -> None:
    """Undo your own decision of the last 5 minutes: the review is open again, and what its client was told stays."""
    with connected() as client:
        review = call(client, "POST", f"/api/v1/reviews/{which}/undo")
    _say(review, "is open again", as_json)


def purge(
    tenant: Annotated[str | None, typer.Option(help="Only reviews of this tenant.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only reviews of this domain.")] = None,
    before: Annotated[str | None, typer.Option(help="Only reviews opened before this time (UTC).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete reviews, decided or not, with all that was asked and answered in them. The log keeps their number."""
    body = {"tenant": tenant, "domain": domain, "before": before, "dry_run": dry_run}
    with connected() as client:
        done = call(client, "POST", "/api/v1/reviews/purge", json=body)
    what = "would be deleted" if dry_run else "are deleted"
    say(done, f"{done['open']} open and {done['decided']} decided reviews {what}", as_json)


def _act(which: str, action: str, body: dict[str, Any]) -> dict[str, Any]:
    with connected() as client:
        review: dict[str, Any] = call(client, "POST", f"/api/v1/reviews/{which}/{action}", json=body)
    return review


def _say(review: dict[str, Any], what: str, as_json: bool) -> None:
    say(review, f"review {review['id'][:8]} {what}", as_json)


def _cut(text: str, length: int = 40) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 3] + "..."
