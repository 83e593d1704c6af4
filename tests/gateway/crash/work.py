"""What there is to do at a gateway: acts without end, chosen by chance."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from postil.registry.artifacts.archives.pack import pack
from postil.registry.artifacts.local_store import folder_digest
from postil.registry.policy.policy import parse_policy
from tests.fakes.adapters import write_adapter
from tests.gateway.crash.ledger import Act, Told

ADAPTERS = ("healthcare/triage", "healthcare/notes", "legal/clause")
TENANTS = ("clinic", "ward")
POLICIES = (None, None, "system_prompt: Sort the message.", "output: {labels: [symptoms, billing]}")
_WEIGHTS = {
    "publish": 10, "promote": 5, "rollback": 2, "canary": 2, "shadow": 1, "canary-end": 1, "shadow-end": 1, "pin": 2,
    "unpin": 1, "gc": 1,
}  # fmt: skip


class Work:
    """Chooses the next act; ``adapters`` are as they were when somebody last looked."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.acts: list[Act] = []
        self.adapters: Mapping[str, Told] = {}
        self._folder = folder
        self._chance = chance
        self._fresh = 0
        self._packed = cache(self._pack)

    def next(self, kind: str | None = None) -> Act:
        """The next act, of any kind unless one is named. That some are refused is as in life."""
        adapter = self._chance.choice(ADAPTERS)
        kind = kind or self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if not self._published(adapter):
            kind = "publish"
        act = Act(len(self.acts) + 1, kind, adapter, *self._request(kind, adapter))
        if kind == "publish":
            self._fill(act)
        self.acts.append(act)
        return act

    def _published(self, adapter: str) -> int:
        """How many releases there are, at least."""
        seen = len(self.adapters[adapter].releases) if adapter in self.adapters else 0
        published = [act for act in self.acts if act.done and (act.kind, act.adapter) == ("publish", adapter)]
        return max([seen, *(int(act.answer["number"]) for act in published)])

    def _request(self, kind: str, adapter: str) -> tuple[str, str, dict[str, Any]]:
        """Method, path and arguments of a request."""
        root = f"/api/v1/adapters/{adapter}"
        release = {"release": self._chance.randint(1, max(1, self._published(adapter)))}
        tenant = f"{root}/pins/{self._chance.choice(TENANTS)}"
        weight = self._chance.choice([1, 10, 50])
        requests: dict[str, tuple[str, str, dict[str, Any]]] = {
            "publish": ("POST", f"{root}/releases", {}),
            "promote": ("POST", f"{root}/promote", {"json": release}),
            "rollback": ("POST", f"{root}/rollback", {"json": {}}),
            "canary": ("PUT", f"{root}/channels/canary", {"json": {**release, "weight": weight}}),
            "shadow": ("PUT", f"{root}/channels/shadow", {"json": {**release, "weight": weight}}),
            "canary-end": ("DELETE", f"{root}/channels/canary", {}),
            "shadow-end": ("DELETE", f"{root}/channels/shadow", {}),
            "pin": ("PUT", tenant, {"json": release}),
            "unpin": ("DELETE", tenant, {}),
            "gc": ("POST", "/api/v1/gc", {"json": {"keep": self._chance.randint(1, 4)}}),
        }
        return requests[kind]

    def _fill(self, act: Act) -> None:
        """Mostly new weights; now and then some that were published before, with another policy or the same."""
        again = self._fresh and self._chance.random() < 0.25
        seed = self._chance.randrange(self._fresh) if again else self._fresh
        self._fresh = max(self._fresh, seed + 1)
        policy = self._chance.choice(POLICIES)
        content, act.artifact = self._packed(seed)
        act.arguments = {"data": {"note": act.by}, "files": {"artifact": ("adapter.tar", content)}}
        if policy is not None:
            act.arguments["data"]["policy"] = policy
            act.policy = parse_policy(policy).model_dump(mode="json", exclude_defaults=True)

    def _pack(self, seed: int) -> tuple[bytes, str]:
        source, packed = write_adapter(self._folder / str(seed), seed=seed), io.BytesIO()
        pack(source, packed)
        return packed.getvalue(), folder_digest(source)
