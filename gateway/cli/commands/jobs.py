"""``postil jobs list | show | cancel | logs``: fine-tuning jobs, by way of OpenAI's API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer

from postil.gateway.cli.api_client import CommandError, Listed, call, connected
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    console,
    print_json,
    print_json_text,
    print_table,
    say,
    show_list,
)

Which = Annotated[str, typer.Argument(help="The job's id, or the start of it.", metavar="JOB")]
_JOBS = "/v1/fine_tuning/jobs"
_MARK, _SHORT, _WHOLE = "ftjob-", 14, 30
_PAGE = 100
# Of a time, up to its minute.
_MINUTE = 16
_ENDED = ("succeeded", "failed", "cancelled")
_LOOK_SECONDS = 1.0


def make_cli() -> typer.Typer:
    """Return the `jobs` command group."""
    cli = typer.Typer(help="Fine-tuning jobs, which end as releases that are not live.", no_args_is_help=True)
    cli.command("list")(list_jobs)
    for command in (show, cancel, logs):
        cli.command()(command)
    return cli


def list_jobs(limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False) -> None:
    """List the fine-tuning jobs, the newest first. JSON: `{"data": [...], "next": ...}`."""
    with connected(openai=True) as client:
        found = _listed(client, _JOBS, 0 if all_ else limit)
    rows = [
        (_short(job), job["status"], job["suffix"], _done(job), _time(job["created_at"])[:_MINUTE], _result(job))
        for job in found.data
    ]
    columns = ["id", "status", "adapter", "step", "since (UTC)", "release"]
    show_list(found, columns, rows, empty="there are no fine-tuning jobs", as_json=as_json)


def show(which: Which, as_json: AsJson = False) -> None:
    """Show one job: what was asked, how far it is, and what came of it."""
    with connected(openai=True) as client:
        job = call(client, "GET", f"{_JOBS}/{_whole_id(client, which)}")
    if as_json:
        print_json(job)
        return
    own, method = job["postil"], job["method"]
    # Those of preferences have one more.
    asked = job["hyperparameters"] | ((method.get("dpo") or {}).get("hyperparameters") or {})
    rows = [
        ("id", job["id"]),
        ("status", job["status"]),
        ("adapter", job["suffix"]),
        ("release", job["fine_tuned_model"]),
        ("error", job["error"] and job["error"]["message"]),
        ("step", _done(job)),
        ("accuracy", _percent(own["accuracy"])),
        ("base accuracy", _percent(own["base_accuracy"])),
        ("validation loss", own["loss"]),
        ("made by", own["owner"]),
        ("made (UTC)", _time(job["created_at"])),
        ("ready about (UTC)", _time(job["estimated_finish"])),
        ("ended (UTC)", _time(job["finished_at"])),
        ("training file", job["training_file"]),
        ("validation file", job["validation_file"] or "a fifth of the training file"),
        ("method", method["type"]),
        ("hyperparameters", ", ".join(f"{name} {value}" for name, value in asked.items())),
        ("seed", job["seed"]),
    ]
    print_table(["", ""], [row for row in rows if row[1] not in (None, "")], empty="")


def cancel(which: Which, as_json: AsJson = False) -> None:
    """Cancel a job that has not ended; its process is ended, and nothing is published."""
    with connected(openai=True) as client:
        job = call(client, "POST", f"{_JOBS}/{_whole_id(client, which)}/cancel")
    say(job, f"{job['id'][:_SHORT]} is cancelled", as_json)


def logs(
    which: Which,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what a job told, the oldest first; with `--json`, one event per line.

    With `--follow` the command exits with 1 if the job fails or is cancelled.
    """
    with connected(openai=True) as client:
        job_id = _whole_id(client, which)
        last = 0
        while True:
            job = call(client, "GET", f"{_JOBS}/{job_id}")
            last = _print_new(client, job_id, last, as_json)
            if not follow:
                return
            if job["status"] in _ENDED:
                break
            time.sleep(_LOOK_SECONDS)
    if job["status"] != "succeeded":
        why = f": {job['error']['message']}" if job["error"] else ""
        how = "was cancelled" if job["status"] == "cancelled" else "has failed"
        raise CommandError(f"{job_id[:_SHORT]} {how}{why}")


def _print_new(client: httpx.Client, job_id: str, last: int, as_json: bool) -> int:
    """Print the events after one, in order; returns the number of the last one printed."""
    new = []
    for event in _pages(client, f"{_JOBS}/{job_id}/events"):
        if _number(event) <= last:
            break
        new.append(event)
    for event in reversed(new):
        if as_json:
            print_json_text(json.dumps(event))
        else:
            console().print(f"{_time(event['created_at'])}  {event['message']}", soft_wrap=True, markup=False)
    return _number(new[0]) if new else last


def _number(event: dict[str, Any]) -> int:
    return int(event["id"].rpartition("-")[2])


def _pages(client: httpx.Client, path: str, **params: Any) -> Iterator[dict[str, Any]]:
    """Yield the items of a list in OpenAI's form, page by page."""
    asked = {"limit": _PAGE, **params}
    while True:
        page = call(client, "GET", path, params=asked)
        if not isinstance(page, dict) or "has_more" not in page:
            raise CommandError(f"{client.base_url} does not answer as a postil gateway does; see POSTIL_URL")
        yield from page["data"]
        if not page["has_more"]:
            return
        asked = {**asked, "after": page["data"][-1]["id"]}


def _listed(client: httpx.Client, path: str, limit: int) -> Listed:
    """The first items of a list, all of them if ``limit`` is 0, and the id to go on after."""
    found: list[Any] = []
    for item in _pages(client, path):
        if limit and len(found) == limit:
            return Listed(found, found[-1]["id"])
        found.append(item)
    return Listed(found, None)


def _whole_id(client: httpx.Client, which: str) -> str:
    """The id that begins so. Raises CommandError where there is none, or several."""
    wanted = which if which.startswith(_MARK) else f"{_MARK}{which}"
    if len(wanted) >= _WHOLE:
        return wanted
    found: Sequence[str] = [job["id"] for job in _pages(client, _JOBS) if job["id"].startswith(wanted)]
    if len(found) != 1:
        many = "several jobs begin" if found else "no job begins"
        raise CommandError(f"{many} with {wanted}; see `postil jobs list`")
    return found[0]


def _done(job: dict[str, Any]) -> str:
    own = job["postil"]
    return f"{own['step']}/{own['steps']}" if own["steps"] else ""


def _short(job: dict[str, Any]) -> str:
    return str(job["id"])[len(_MARK) : _SHORT]


def _result(job: dict[str, Any]) -> str:
    """The number of the release, or the code of the error; `show` has its sentence."""
    if job["error"]:
        return str(job["error"]["code"])
    return f"@{job['fine_tuned_model'].rpartition('@')[2]}" if job["fine_tuned_model"] else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _time(second: int | None) -> str:
    return "" if second is None else datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
