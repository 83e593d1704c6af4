"""Try every field of the table on the real engine, alone and beside running requests: ``make fields``.

Each is sent through the gateway with values at the bounds that the table has, to the base, to an adapter without a
policy and to one whose output is restricted. Prints the statuses, and fails where one is 500 or more.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from postil.gateway.inference.fields.field import Field, Guard, Use
from postil.gateway.inference.fields.table import FIELDS
from postil.gateway.inference.formats import Kind
from tests.engine.conftest import Served, start
from tests.fields.samples import SAMPLES, SECOND
from tests.support.paths import ROOT

BODY: Mapping[Kind, Mapping[str, Any]] = {
    Kind.CHAT: {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4},
    Kind.TEXT: {"prompt": "Once upon a time", "max_tokens": 4},
}
LONG = {"messages": [{"role": "user", "content": "Count from one to a thousand."}], "max_tokens": 400, "stream": True}
# The base, an adapter without a policy, and one whose output is restricted.
OPEN = "healthcare/open"
MODELS = ("base", OPEN, "healthcare")


async def main(arguments: argparse.Namespace) -> int:
    """Start the demo, try everything, print the table; 1 if the engine failed on anything."""
    with tempfile.TemporaryDirectory(prefix="postil-fields-") as folder:
        served = start(Path(folder) / "home")
        try:
            publish_open(served)
            async with httpx.AsyncClient(base_url=served.url, timeout=120) as client:
                return await tried(served, client, arguments.only)
        finally:
            served.stop()


def publish_open(served: Served) -> None:
    """Make an adapter live that has no policy."""
    adapter = ROOT / "deploy" / "demo" / "healthcare" / "triage" / "2"
    done = served.postil("publish", str(adapter), "--adapter", OPEN, "--promote")
    assert done.returncode == 0, done.stdout + done.stderr


async def tried(served: Served, client: httpx.AsyncClient, only: str | None) -> int:
    """Try each field, alone and beside a request to an adapter; returns 1 if anything failed."""
    failed, engine = 0, engine_of(served)
    print(f"statuses of {', '.join(MODELS)}; beside: theirs, then those of the streams that ran")
    for kind, name, value in cases(only):
        alone = [await status(client, kind, name, value, model) for model in MODELS]
        beside = await beside_another(client, kind, name, value)
        failed += any(code >= 500 for code in (*alone, *beside))
        shown = repr(value)[:32]
        print(f"{kind.value:<22}{name:<32}{shown:<34}alone {alone} beside {beside}", flush=True)
    same = engine == engine_of(served)
    print(f"fields on which the engine failed: {failed}; the engine {'is the same' if same else 'was started again'}")
    return int(bool(failed) or not same)


def cases(only: str | None) -> Iterator[tuple[Kind, str, Any]]:
    """Every field of each endpoint with a few values."""
    for kind, fields in FIELDS.items():
        for name, field in fields.items():
            if only is None or only == name:
                yield from ((kind, name, value) for value in values(kind, name, field))


def values(kind: Kind, name: str, field: Field) -> list[Any]:
    """What to send: samples of what the check lets through, and one that is refused where the field is."""
    if field.use(Guard.OPEN) is Use.REFUSED:
        return ["refused"]
    return SAMPLES[kind].get(name) or SAMPLES[Kind.CHAT].get(name) or [field.neutral[0] if field.neutral else "a"]


async def status(client: httpx.AsyncClient, kind: Kind, name: str, value: Any, model: str) -> int:
    """The status of one request."""
    body = {**BODY[kind], **SECOND.get(name, {}), name: value, "model": model}
    if kind is Kind.CHAT and body.get("logprobs") == 1:
        body["logprobs"] = True
    answer = await client.post(kind.value, json=body, headers=HEADERS)
    if answer.status_code == 200 and b'"error"' in answer.content[:200]:
        return 500
    return answer.status_code


async def beside_another(client: httpx.AsyncClient, kind: Kind, name: str, value: Any) -> list[int]:
    """The status of the same while an adapter and the base generate for others; theirs after it."""
    others = [Running(client, model) for model in MODELS[:2]]
    for other in others:
        await other.began.wait()
    found = [await status(client, kind, name, value, model) for model in MODELS]
    return [*found, *[await other.finish() for other in others]]


class Running:
    """A stream that generates until it is stopped."""

    def __init__(self, client: httpx.AsyncClient, model: str) -> None:
        self.began = asyncio.Event()
        self._stopped = asyncio.Event()
        self._task = asyncio.create_task(self._run(client, {**LONG, "model": model}))

    async def finish(self) -> int:
        """Stop it; its status, 500 where it broke off."""
        self._stopped.set()
        return await self._task

    async def _run(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> int:
        whole = b""
        try:
            async with client.stream("POST", Kind.CHAT.value, json=body, headers=HEADERS) as answer:
                async for chunk in answer.aiter_bytes():
                    self.began.set()
                    whole += chunk
                    if self._stopped.is_set():
                        break
                return 500 if b'"error"' in whole else answer.status_code
        except httpx.HTTPError:
            return 599
        finally:
            self.began.set()


def engine_of(served: Served) -> set[int]:
    """The processes of the gateway: another engine would be others."""
    return {process.pid for process in served.everybody()}


HEADERS = {"Authorization": "Bearer demo-clinic"}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="one field")
    began = time.monotonic()
    code = asyncio.run(main(parser.parse_args()))
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
