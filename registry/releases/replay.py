"""What the registry must hold after its events: replayed from the log, to be compared with the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from postil.registry.db.audit_chain import details_of
from postil.registry.db.tables import Event
from postil.registry.releases.channels import CANARY, SHADOW, STABLE
from postil.registry.releases.domains import SET_DEFAULT
from postil.registry.releases.freeze import FREEZE, UNFREEZE
from postil.registry.releases.history import SET_QUOTAS
from postil.registry.releases.sources import SOURCES
from postil.registry.releases.yank import UNYANK, YANK
from postil.registry.signing.requirements import REQUIRE

# The role of the keys that belong to a tenant.
_TENANT = "tenant"


class Replay:
    """The state that events lead to. Adapters are ``domain/adapter``.

    Somebody may have written anything into the details: a detail of the wrong kind names nothing, and moves nothing.

    ``releases`` are the details of each publish by adapter and number, ``keys`` those of each key by its id.
    """

    def __init__(self) -> None:
        self.releases: dict[tuple[str, int], Mapping[str, Any]] = {}
        # The number and the weight (None: not in the log) of each channel by adapter and name.
        self.channels: dict[tuple[str, str], tuple[int, float | None]] = {}
        self.pins: dict[tuple[str, str], int] = {}
        self.defaults: dict[str, str] = {}
        self.tenants: set[str] = set()
        self.keys: dict[str, Mapping[str, Any]] = {}
        self.revoked: set[str] = set()
        self.yanked: set[tuple[str, int]] = set()
        self.frozen: set[str] = set()
        self.refused: set[str] = set()
        self.signing_keys: dict[str, list[str]] = {}
        # The details of each webhook by its name, and the sources and quotas of each domain.
        self.webhooks: dict[str, Mapping[str, Any]] = {}
        self.sources: dict[str, object] = {}
        self.quotas: dict[str, object] = {}
        self._acts: Mapping[str, Callable[[Event], object]] = {
            "publish": self._published,
            "promote": self._pointed,
            "rollback": self._pointed,
            CANARY: self._pointed,
            SHADOW: self._pointed,
            f"{CANARY}-end": self._ended,
            f"{SHADOW}-end": self._ended,
            "pin": self._pinned,
            "unpin": self._unpinned,
            SET_DEFAULT: self._defaulted,
            "tenant-add": lambda event: self.tenants.add(event.subject),
            "tenant-remove": self._removed,
            "tenant-forget": self._forgotten,
            "tenant-refuse": lambda event: self.refused.add(event.subject),
            "tenant-admit": lambda event: self.refused.discard(event.subject),
            YANK: lambda event: self.yanked.add((event.subject, event.before or 0)),
            UNYANK: lambda event: self.yanked.discard((event.subject, event.after or 0)),
            FREEZE: lambda event: self.frozen.add(event.subject),
            UNFREEZE: lambda event: self.frozen.discard(event.subject),
            "key-add": self._keyed,
            "key-rotate": self._keyed,
            "key-revoke": self._revoked,
            REQUIRE: self._required,
            "webhook-add": self._webhook_added,
            "webhook-remove": lambda event: self.webhooks.pop(event.subject, None),
            SOURCES: lambda event: self.sources.update({event.subject: details_of(event).get("sources")}),
            SET_QUOTAS: lambda event: self.quotas.update({event.subject: details_of(event).get("after")}),
        }

    def apply(self, event: Event) -> None:
        """Take the next event; those that move nothing here are passed over."""
        act = self._acts.get(event.action)
        if act is not None:
            act(event)

    def _published(self, event: Event) -> None:
        self.releases[event.subject, event.after or 0] = details_of(event)
        domain, _, adapter = event.subject.partition("/")
        self.defaults.setdefault(domain, adapter)

    def _pointed(self, event: Event) -> None:
        which = event.action if event.action in (CANARY, SHADOW) else STABLE
        self.channels[event.subject, which] = (event.after or 0, _weight(event))

    def _ended(self, event: Event) -> None:
        self.channels[event.subject, event.action.removesuffix("-end")] = (0, None)

    def _pinned(self, event: Event) -> None:
        tenant = _text(event, "tenant")
        if tenant:
            self.pins[tenant, event.subject] = event.after or 0

    def _unpinned(self, event: Event) -> None:
        self.pins.pop((_text(event, "tenant"), event.subject), None)

    def _defaulted(self, event: Event) -> None:
        domain, _, adapter = event.subject.partition("/")
        self.defaults[domain] = adapter

    def _removed(self, event: Event) -> None:
        self.tenants.discard(event.subject)
        self.refused.discard(event.subject)

    def _forgotten(self, event: Event) -> None:
        """The keys of a tenant were deleted; those of people with its name stay."""
        for key, added in list(self.keys.items()):
            if added["owner"] == event.subject and added.get("role") == _TENANT:
                del self.keys[key]

    def _webhook_added(self, event: Event) -> None:
        self.webhooks[event.subject] = details_of(event)

    def _keyed(self, event: Event) -> None:
        key = _text(event, "key")
        if key:
            self.keys[key] = {**details_of(event), "owner": event.subject}

    def _revoked(self, event: Event) -> None:
        self.revoked.add(_text(event, "key"))

    def _required(self, event: Event) -> None:
        keys = details_of(event).get("keys")
        listed = keys if isinstance(keys, list) else []
        self.signing_keys[event.subject] = sorted(key for key in listed if isinstance(key, str))


def _text(event: Event, name: str) -> str:
    """A detail that names something; empty, which names nothing, if it is no text."""
    value = details_of(event).get(name)
    return value if isinstance(value, str) else ""


def _weight(event: Event) -> float | None:
    value = details_of(event).get("weight")
    return value if isinstance(value, int | float) and 0 <= value <= 100 else None
