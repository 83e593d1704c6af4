"""What was asked of a gateway and what it answered, act by act, and what its log then has to tell of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Act:
    """One request that changes something. It is done in the name ``by``, so that the log tells which act it was.

    ``kind`` is what the log calls it, or ``gc``. ``artifact`` and ``policy`` are what a publish sent, the policy if it
    sent one. ``status`` stays None where no answer came: then it may have happened or not, but never by halves.
    """

    number: int
    kind: str
    adapter: str
    method: str
    path: str
    arguments: Json
    artifact: str | None = None
    policy: Json | None = None
    status: int | None = None
    answer: Any = None

    @property
    def by(self) -> str:
        """Who did it, says the log."""
        return f"act {self.number}"

    @property
    def done(self) -> bool:
        """Whether the gateway said that it is done."""
        return self.status is not None and self.status < 300

    def agrees(self, events: Sequence[Json]) -> str | None:
        """What is wrong with the events in the name of this act, or None."""
        if self.status is not None and not self.done:
            return f"was refused ({self.status}: {self.answer}), and is in the log" if events else None
        if self.kind == "publish":
            return self._publish_agrees(events)
        if self.kind == "gc":
            return self._collect_agrees(events)
        if not events:
            return "was done, says the answer, and is not in the log" if self.done else None
        # Before a promote stands the end of the canary or the shadow that the same release was.
        *ends, act = events
        if act["action"] != self.kind or any(event["action"] not in ("canary-end", "shadow-end") for event in ends):
            return f"is another one in the log: {events}"
        number = self.arguments.get("json", {}).get("release")
        return f"led to {act['to']} in the log" if number is not None and act["to"] != number else None

    def _publish_agrees(self, events: Sequence[Json]) -> str | None:
        if len(events) > 1 or any(event["action"] not in ("publish", "restore") for event in events):
            return f"is another one in the log: {events}"
        if self.done and [event["to"] for event in events] != [self.answer["number"]] * self.answer["created"]:
            return f"made another release, says the log: {events}"
        if self.done and self.answer["artifact"] != self.artifact:
            return "kept other files than were sent"
        return None

    def _collect_agrees(self, events: Sequence[Json]) -> str | None:
        if any(event["action"] != "collect" for event in events):
            return f"is another one in the log: {events}"
        if self.done:
            said = [ref or "artifacts" for row in self.answer["garbage"] for ref in row["releases"] or [""]]
            logged = [f"{event['subject']}@{event['from']}" if event["from"] else event["subject"] for event in events]
            return None if said == logged else f"collected {said}, and the log says {logged}"
        return None


@dataclass
class Told:
    """An adapter as the log alone tells it."""

    releases: dict[int, str] = field(default_factory=dict)
    live: int | None = None
    canary: tuple[int, float] | None = None
    shadow: tuple[int, float] | None = None
    pins: dict[str, int] = field(default_factory=dict)
    collected: set[int] = field(default_factory=set)

    def take(self, event: Json) -> None:
        """Go one event further."""
        action, after = event["action"], event["to"]
        if action == "publish":
            assert after == len(self.releases) + 1, f"the numbers have a gap: {event}"
            self.releases[after] = event["actor"]
        elif action in ("promote", "rollback"):
            assert event["from"] == self.live, f"it did not come from what was live: {event}"
            self.live = after
        elif action.removesuffix("-end") in ("canary", "shadow"):
            setattr(self, action.removesuffix("-end"), (after, event["details"]["weight"]) if after else None)
        elif action == "pin":
            self.pins[event["details"]["tenant"]] = after
        elif action == "unpin":
            del self.pins[event["details"]["tenant"]]
        elif action == "collect":
            self.collected.add(event["from"])
        elif action == "restore":
            self.collected.remove(after)
        else:
            raise AssertionError(f"nobody did this: {event}")

    def answers(self, tenant: str) -> set[int]:
        """The releases that may answer a tenant."""
        if tenant in self.pins:
            return {self.pins[tenant]}
        found = {self.live, self.canary[0] if self.canary else None}
        return {number for number in found if number is not None}


def told(events: Sequence[Json]) -> dict[str, Told]:
    """Every adapter, as the log tells it."""
    found: dict[str, Told] = defaultdict(Told)
    for event in events:
        if "/" in event["subject"]:
            found[event["subject"]].take(event)
    return dict(found)


def shown(adapter: Json) -> Told:
    """The same of an adapter as the gateway shows it, from its tables and its catalog."""
    return Told(
        releases={row["number"]: row["actor"] for row in reversed(adapter["releases"])},
        live=adapter["live"],
        canary=_share(adapter["canary"]),
        shadow=_share(adapter["shadow"]),
        pins=adapter["pins"],
        collected={row["number"] for row in adapter["releases"] if "collected" in (row["problem"] or "")},
    )


def _share(channel: Json | None) -> tuple[int, float] | None:
    return (channel["release"], channel["weight"]) if channel else None
