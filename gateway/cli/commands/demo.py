"""``postil demo traffic``: made-up requests to the demo, so that a newcomer sees its pages move."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer

from postil.gateway.cli.api_client import CommandError, connected
from postil.gateway.cli.output import AsJson, complaints, print_json, print_table

_MOST_SECONDS, _MOST_PER_SECOND = 3600.0, 20.0
# Fewer than a tenant may have at a time: others still get their turn.
_AT_ONCE = 3
# People in whose name it asks: a canary answers some of them.
_USERS = 200
# Every so many requests somebody writes of a danger: their answers are looked at by a person.
_EVERY = 10
_URGENT = ("I have chest pain and nausea", "I cannot breathe", "my father collapsed and does not wake up")
_COLUMNS = ("adapter", "requests", "answered", "fallback", "failed", "reviews", "median ms")


@dataclass(frozen=True, slots=True)
class Source:
    """A demo tenant with what its users write."""

    tenant: str
    adapter: str
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request went."""

    adapter: str
    outcome: str
    review: bool
    milliseconds: float
    problem: str = ""


def make_cli() -> typer.Typer:
    """Return the `demo` command group."""
    cli = typer.Typer(help="The demo of `postil serve --demo`.", no_args_is_help=True)
    cli.callback()(lambda: None)
    cli.command()(traffic)
    return cli


def traffic(
    seconds: Annotated[
        float, typer.Option(min=0.1, max=_MOST_SECONDS, help="For so long requests are sent; Ctrl-C ends it earlier.")
    ] = 60.0,
    per_second: Annotated[
        float, typer.Option("--per-second", min=0.1, max=_MOST_PER_SECOND, help="How many requests a second at most.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Another seed draws other texts.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Send made-up requests to a gateway that serves the demo, at a gentle pace, as its three tenants.

    Outcomes, evidence of a canary, usage and reviews on the console move with it. JSON: `{"rows": [...]}`.
    """
    with connected(openai=True) as client:
        sources = _sources(client)
        replies = _sent(client, _drawn(sources, random.Random(seed)), seconds, per_second)
    if not any(reply.outcome != "failed" for reply in replies):
        raise CommandError(f"no request was answered: {replies[-1].problem if replies else 'none was sent'}")
    rows = [_row(source.adapter, replies) for source in sources]
    if as_json:
        print_json({"rows": rows})
        return
    print_table(_COLUMNS, [[row[name.replace(" ", "_")] for name in _COLUMNS] for row in rows], empty="")


def _sources(client: httpx.Client) -> list[Source]:
    """Return the demo's tenants whose adapter is served. Raises CommandError where there is no demo."""
    # Imported here because the registry that they know of is slow to import.
    from postil.gateway.server.demo import ADAPTERS, demo_folder
    from postil.gateway.tenancy.directory import DEMO_TENANTS

    by_domain = {domain: tenant for tenant, domain in DEMO_TENANTS.items()}
    found = []
    for adapter in ADAPTERS:
        tenant = by_domain[adapter.partition("/")[0]]
        response = client.get("/v1/models", headers={"Authorization": f"Bearer {tenant}"})
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise CommandError("this gateway does not serve the demo; start one with `postil serve --demo`")
        if adapter in {card["id"] for card in _read(response)["data"]}:
            lines = (demo_folder() / adapter / "validation.jsonl").read_text(encoding="utf-8").splitlines()
            found.append(Source(tenant, adapter, [str(json.loads(line)["input"]) for line in lines]))
    if not found:
        raise CommandError("no adapter of the demo is live; see `postil adapters list`, and promote one")
    return found


def _read(response: httpx.Response) -> Any:
    try:
        return response.raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError) as error:
        raise CommandError(f"the gateway does not answer for the list of models: {_problem(response)}") from error


def _drawn(sources: Sequence[Source], chance: random.Random) -> Iterator[tuple[Source, Mapping[str, Any]]]:
    """Draw requests without an end."""
    number = 0
    while True:
        number += 1
        source = chance.choice(sources)
        text = chance.choice(_URGENT if number % _EVERY == 0 else source.texts)
        messages = [{"role": "user", "content": text}]
        yield source, {"model": source.adapter, "messages": messages, "user": f"user-{chance.randrange(_USERS)}"}


def _sent(
    client: httpx.Client, requests: Iterator[tuple[Source, Mapping[str, Any]]], seconds: float, per_second: float
) -> list[Reply]:
    """Send requests at their pace, or slower where the gateway is, and return how they went."""
    from rich.progress import Progress  # Slow to import, and `--help` shows none.

    replies: list[Reply] = []
    running: set[Future[Reply]] = set()
    total = max(1, round(seconds * per_second))
    begun = time.monotonic()
    with Progress(console=complaints(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("requests", total=total)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            try:
                for number in range(total):
                    time.sleep(max(0.0, begun + number / per_second - time.monotonic()))
                    if len(running) == _AT_ONCE:
                        running = _collect(running, replies)
                    if time.monotonic() - begun > seconds and replies:
                        break
                    running.add(threads.submit(_ask, client, *next(requests)))
                    progress.update(task, completed=number + 1)
            except KeyboardInterrupt:
                complaints().print("ended; those that are under way are waited for")
            replies += [one.result() for one in running]
    return replies


def _collect(running: set[Future[Reply]], replies: list[Reply]) -> set[Future[Reply]]:
    """Wait until one of these has ended, and return those that have not."""
    done, left = wait(running, return_when=FIRST_COMPLETED)
    replies += [one.result() for one in done]
    return left


def _ask(client: httpx.Client, source: Source, body: Mapping[str, Any]) -> Reply:
    begun = time.perf_counter()
    try:
        headers = {"Authorization": f"Bearer {source.tenant}"}
        response = client.post("/v1/chat/completions", json=body, headers=headers)
    except httpx.HTTPError as error:
        return Reply(source.adapter, "failed", False, 0.0, f"the gateway does not answer ({type(error).__name__})")
    milliseconds = 1000 * (time.perf_counter() - begun)
    if not response.is_success:
        return Reply(source.adapter, "failed", False, milliseconds, _problem(response))
    outcome = "fallback" if "x-postil-fallback" in response.headers else "answered"
    return Reply(source.adapter, outcome, "x-postil-review" in response.headers, milliseconds)


def _problem(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {response.status_code}"


def _row(adapter: str, replies: Sequence[Reply]) -> dict[str, Any]:
    own = [reply for reply in replies if reply.adapter == adapter]
    counts = Counter(reply.outcome for reply in own)
    took = [reply.milliseconds for reply in own if reply.outcome != "failed"]
    return {
        "adapter": adapter,
        "requests": len(own),
        **{outcome: counts[outcome] for outcome in ("answered", "fallback", "failed")},
        "reviews": sum(reply.review for reply in own),
        "median_ms": round(sorted(took)[len(took) // 2]) if took else None,
    }
