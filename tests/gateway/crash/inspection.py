"""A close look at a gateway after it was killed: what it said is there, what it had not said is whole or not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import psutil

from postil.registry.artifacts.local_store import LocalStore
from tests.gateway.crash.ledger import Json, Told, shown, told
from tests.gateway.crash.victim import Victim

# What works for a gateway notices by itself that this has ended.
_SECONDS_TO_END = 10


class Inspection:
    """Looks at one gateway again and again, and remembers what it saw."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self._work = victim.work
        self._checked = 0
        self._orphans = 0
        self.events: list[Json] = []
        self.answers: Counter[str] = Counter()

    def of_the_remains(self) -> None:
        """While it is dead: no process of it lives on; note what was being done."""
        _, orphans = psutil.wait_procs(self._victim.processes(), timeout=_SECONDS_TO_END)
        assert orphans == []
        left = [path for path in (self._victim.home / "artifacts" / "incoming").iterdir() if path.is_dir()]
        self._victim.struck["it left: files half taken in"] += bool(left)

    async def of_the_living(self) -> None:
        """It runs again: compare what it shows with what it answered, what its log tells, and what is on the disk."""
        async with self._victim.admin("inspection") as client:
            events = await _whole(client, "/api/v1/events")
            adapters = {row["adapter"]: await _adapter(client, row) for row in await _whole(client, "/api/v1/adapters")}
            audit = (await client.get("/api/v1/audit")).json()
        assert audit == {"events": len(events), "first_break": None, "differences": [], "has_head": None}
        assert events[: len(self.events)] == self.events, "the log of before the kill is another one now"
        self._check_acts(events[len(self.events) :])
        tells = told(events)
        assert {name: shown(state) for name, state in adapters.items()} == tells
        self._check_artifacts(adapters, tells)
        assert list((self._victim.home / "artifacts" / "incoming").iterdir()) == []
        assert len(list(self._victim.temporary.glob("postil-*"))) == 1
        await self._check_serving(tells)
        self.events, self._work.adapters = events, tells

    async def of_the_garbage(self) -> None:
        """After a last garbage collection nothing is in the store but what a release names."""
        async with self._victim.admin("setup") as client:
            response = await client.post("/api/v1/gc", json={"keep": 10**6})
        assert [row["releases"] for row in response.json()["garbage"]] == [[]] * self._orphans
        await self.of_the_living()
        assert self._orphans == 0

    def _check_acts(self, events: Sequence[Json]) -> None:
        fresh, self._checked = self._work.acts[self._checked :], len(self._work.acts)
        known = {act.by: [event for event in events if event["actor"] == act.by] for act in fresh}
        order = [event["actor"] for event in events if event["actor"] != "setup"]
        assert order == [by for by, own in known.items() for _ in own], "the log has acts that are not ours, or swapped"
        for act in fresh:
            wrong = act.agrees(known[act.by])
            assert wrong is None, f"{act.by} ({act.kind} of {act.adapter}): it {wrong}"
            self.answers["done" if act.done else "refused" if act.status else "not answered"] += 1
            if act.status is None:
                self._victim.struck[f"no answer, and it {'was done' if known[act.by] else 'was not done'}"] += 1

    def _check_artifacts(self, adapters: Mapping[str, Json], tells: Mapping[str, Told]) -> None:
        store, acts = LocalStore.open(self._victim.home / "artifacts"), {act.by: act for act in self._work.acts}
        named = set[str]()
        for name, state in adapters.items():
            for row in state["releases"]:
                act = acts[row["actor"]]
                assert (act.kind, act.adapter, act.artifact, act.by) == ("publish", name, row["artifact"], row["note"])
                assert act.policy in (None, row["policy"])
                if row["number"] not in tells[name].collected:
                    named.add(row["artifact"])
        for artifact in named:
            store.verified_path(artifact)
        before, self._orphans = self._orphans, len(store.sizes().keys() - named)
        self._victim.struck["it left: files kept that no release names"] += self._orphans > before

    async def _check_serving(self, tells: Mapping[str, Told]) -> None:
        for tenant, key in self._victim.keys.items():
            async with self._victim.client(key) as client:
                for name, tell in tells.items():
                    body = {"model": name, "messages": [{"role": "user", "content": "hello"}]}
                    response = await client.post("/v1/chat/completions", json=body)
                    if tell.answers(tenant):
                        assert response.status_code == 200, response.text
                        assert int(response.headers["x-postil-release"].rpartition("@")[2]) in tell.answers(tenant)
                    else:
                        assert response.status_code == 404, response.text


async def _adapter(client: httpx.AsyncClient, summary: Json) -> Json:
    """An adapter with all of its releases, the newest first."""
    path = f"/api/v1/adapters/{summary['adapter']}"
    state: Json = (await client.get(path)).json()
    return {**state, "releases": await _whole(client, f"{path}/releases", newest_first=True)}


async def _whole(client: httpx.AsyncClient, path: str, **asked: Any) -> list[Json]:
    """All of a list, page by page."""
    rows: list[Json] = []
    after: dict[str, str] = {}
    while True:
        page = (await client.get(path, params={**asked, **after, "limit": 1000})).json()
        rows += page["data"]
        if page["next"] is None:
            return rows
        after = {"after": page["next"]}
