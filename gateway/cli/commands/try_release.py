"""``postil try``: one text to the base, to an adapter's live release, and to the release before it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import httpx
import typer

from postil.gateway.cli.api_client import CommandError, connected
from postil.gateway.cli.output import AsJson, complaints, console, print_json, print_table
from postil.gateway.errors import BadRequestError, UnvalidatedError
from postil.plugins.builtin.confidence import label_probability
from postil.plugins.types import Completion, Token
from postil.registry.names import AdapterName, parse_adapter

_BASE, _LIVE, _BEFORE = "base", "live", "before"
# The base answers freely; so much shows what it is like.
_BASE_TOKENS = 64
# What a check of a policy refuses, or no fallback replaces.
_REFUSALS = (BadRequestError.status, UnvalidatedError.status)
_COLUMNS = ("asked", "release", "answer", "confidence", "checks", "ms")


def try_release(
    adapter: Annotated[str, typer.Argument(help="The adapter: domain/adapter.")],
    text: Annotated[str, typer.Argument(help="What a user says.")],
    as_json: AsJson = False,
) -> None:
    """Ask the base, the live release and the release before it, side by side, as a client would.

    Needs the rights `base` and `numbers`, as an admin's key has them; what a key may not ask is left out, and said so.
    Each is asked twice: for the answer and its time, and for the probability of a label, which takes longer.
    """
    name = parse_adapter(adapter)
    if not text.strip():
        raise CommandError("the text is empty; write what a user would say")
    with connected() as client:
        models, left_out = _models(name, _known(client))
        rows = [_asked(client, which, model, text) for which, model in models.items()]
    if as_json:
        print_json({"adapter": str(name), "text": text, "answers": rows, "left_out": left_out})
        return
    print_table(_COLUMNS, [_cells(row) for row in rows], empty="")
    for line in left_out:
        complaints().print(line, soft_wrap=True)
    if any(row["review"] for row in rows):
        console().print("a review was opened, as for any user's message")


def _known(client: httpx.Client) -> Mapping[str, str]:
    """Return what this key may ask: the names of models, and for each the release that answers. Raises CommandError."""
    found = _read(client.get("/v1/models"), "the list of models")
    return {str(card["id"]): str(card.get("root") or "") for card in found["data"]}


def _models(name: AdapterName, known: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return what to ask, and a sentence on each that is left out. Raises CommandError where the adapter is missing."""
    if str(name) not in known:
        raise CommandError(
            f"{name} has no live release that this key may ask; see `postil adapters list`, and the domains of the"
            " key's tenant"
        )
    live = known[str(name)]
    before = _release_before(name, live, known)
    found = {_BASE: _BASE, _LIVE: str(name), _BEFORE: before}
    missing = [] if _BASE in known else ["the base is left out: this key lacks the right `base`"]
    if before is None:
        missing.append(
            f"a release before {live} is left out: there is none that is served, or the key lacks the right `numbers`"
        )
    return {which: model for which, model in found.items() if model is not None and model in known}, missing


def _release_before(name: AdapterName, live: str, known: Mapping[str, str]) -> str | None:
    """Return the release with the next lower number, of those that this key may ask."""
    numbers = [int(model.rpartition("@")[2]) for model in known if model.startswith(f"{name}@")]
    lower = [number for number in numbers if number < int(live.rpartition("@")[2])]
    return f"{name}@{max(lower)}" if lower else None


def _asked(client: httpx.Client, which: str, model: str, text: str) -> dict[str, Any]:
    """Ask a model, and return what its answer tells. Raises CommandError where the gateway refuses the key."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0}
    if which == _BASE:
        body["max_tokens"] = _BASE_TOKENS
    begun = time.perf_counter()
    response = client.post("/v1/chat/completions", json=body)
    seconds = time.perf_counter() - begun
    row: dict[str, Any] = {"asked": which, "model": model, "milliseconds": round(1000 * seconds, 1)}
    if response.status_code in _REFUSALS:
        return row | _told(response) | {"answer": None, "confidence": None, "refused": _error(response)}
    answer = str(_read(response, model)["choices"][0]["message"].get("content") or "")
    fell_back = "x-postil-fallback" in response.headers
    sure = None if which == _BASE or fell_back else _confidence(client, body, answer)
    return row | _told(response) | {"answer": answer, "confidence": sure, "refused": None}


def _told(response: httpx.Response) -> dict[str, Any]:
    """Return which release answered, and what the gateway says of its checks."""
    names = ("release", "channel", "fallback", "notice", "review")
    return {name: response.headers.get(f"x-postil-{name}") for name in names}


def _confidence(client: httpx.Client, body: Mapping[str, Any], answer: str) -> float | None:
    """Return the probability of the label, before its temperature; None where the answer is no label."""
    field = _label_field(answer)
    if field is None:
        return None
    response = client.post("/v1/chat/completions", json={**body, "logprobs": True})
    if not response.is_success:
        return None
    choice = response.json()["choices"][0]
    content = (choice.get("logprobs") or {}).get("content") or ()
    tokens = [Token(str(one["token"]), float(one["logprob"])) for one in content]
    found = label_probability(Completion(str(choice["message"].get("content") or ""), "stop", tokens), field)
    return None if found is None else round(found, 4)


def _label_field(answer: str) -> str | None:
    """Return the one key of an answer such as ``{"category": "billing"}``."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return next(iter(found)) if isinstance(found, dict) and len(found) == 1 else None


def _read(response: httpx.Response, what: str) -> Any:
    """Return the JSON of an answer. Raises CommandError with the gateway's own message."""
    if not response.is_success:
        raise CommandError(f"the gateway does not answer for {what}: {_error(response)}")
    try:
        return response.json()
    except ValueError as error:
        raise CommandError(f"{response.url} does not answer as a postil gateway does; see POSTIL_URL") from error


def _error(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code}"


def _cells(row: Mapping[str, Any]) -> Sequence[object]:
    sure = "" if row["confidence"] is None else f"{row['confidence']:.3f}"
    answer = row["refused"] if row["answer"] is None else row["answer"]
    release = f"{row['release'] or ''}{' (' + row['channel'] + ')' if row['channel'] else ''}"
    return row["asked"], release, answer, sure, "; ".join(_checks(row)), f"{row['milliseconds']:.0f}"


def _checks(row: Mapping[str, Any]) -> Iterator[str]:
    """Return what the response tells of checks: what failed, and what the client is told."""
    if row["refused"]:
        yield "refused"
    if row["fallback"]:
        yield f"fallback: {row['fallback']}"
    if row["notice"]:
        yield f"notice: {row['notice']}"
    if row["asked"] != _BASE and not (row["refused"] or row["fallback"]):
        yield "passed"
