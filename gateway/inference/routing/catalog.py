"""The catalog of adapters that can be asked: an immutable snapshot that is replaced as a whole."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from postil.gateway.errors import BadRequestError, EngineUnavailableError, UnknownModelError
from postil.gateway.inference.routing import canary_split as sticky
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.inference.routing.rights import check_base
from postil.gateway.tenancy.directory import Caller
from postil.registry.accounts.rights import Right
from postil.registry.errors import NameInvalidError
from postil.registry.names import AdapterName, parse_adapter, parse_release
from postil.registry.policy.components import Mismatch
from postil.registry.releases.channels import CANARY, SHADOW, STABLE
from postil.registry.releases.history import IN_SERVICE, Retired
from postil.registry.releases.step_plan import StepPlan

BASE = "base"
AUTO = "auto"
NUMBER, PIN = "number", "pin"
PIN_OF = "pin of "
ASK_ANOTHER = "ask for another; GET /v1/models lists those there are"
COLLECTED = "its files were collected; publish it again to serve it"


@dataclass(frozen=True, slots=True)
class TrafficShare:
    """A release that gets some of the traffic: its number and how many per cent."""

    number: int
    weight: float


@dataclass(frozen=True, slots=True)
class Route:
    """Which release answers a request, and why that one: ``number`` (asked for), ``pin``, ``canary`` or ``stable``.

    ``otherwise`` answers if a canary cannot be loaded; ``shadow`` gets a copy.
    """

    release: LoadedRelease
    reason: str
    otherwise: LoadedRelease | None = None
    shadow: LoadedRelease | None = None


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """One adapter: its servable releases by number, why the others are not, and which of them is what.

    ``promoted`` is False where the live release came back by a rollback.
    """

    name: AdapterName
    releases: Mapping[int, LoadedRelease]
    broken: Mapping[int, str]
    live: int | None
    previous: int | None = None
    canary: TrafficShare | None = None
    shadow: TrafficShare | None = None
    pins: Mapping[str, int] = field(default_factory=dict)
    promoted: bool = False
    # Of every release, the plugins that are installed in another version than at publish; None where that is unknown.
    mismatches: Mapping[int, Sequence[Mismatch] | None] = field(default_factory=dict)
    # What is out of service: releases, which answer only who is pinned to them, or all of it.
    retired: Retired = IN_SERVICE
    # What does harm and answers nobody; ``broken`` has the reasons.
    yanked: frozenset[int] = frozenset()
    # The steps that the canary goes through, if it does; workers do not know them.
    steps: StepPlan | None = None
    # What the engine has to hold of it, and why: read after every change of any adapter, and so worked out once.
    needs: Sequence[tuple[LoadedRelease, list[str]]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        needs = [(self.releases[number], why) for number, why in sorted(self.desired().items())]
        object.__setattr__(self, "needs", needs)

    def route(self, number: int | None, caller: Caller, user: str | None) -> Route:
        """The route of one request. Raises UnknownModelError or EngineUnavailableError."""
        if self.retired.adapter:
            raise UnknownModelError(f"{self.name} is retired; {ASK_ANOTHER}", param="model")
        pinned = None if caller.admin else self.pins.get(caller.name)
        if number is not None and not self._may_name(number, pinned, caller):
            raise unknown(str(self.name.release(number)))
        if number is not None or pinned is not None:
            wanted = pinned if number is None else number
            if wanted in self.yanked:
                why = f"{self.name.release(wanted)} was taken back; ask whoever runs the gateway for another"
                raise UnknownModelError(why, param="model")
            return Route(self.pick(wanted), PIN if number is None else NUMBER)
        live = self.pick(None)
        canary = self._share(self.canary)
        if canary is not None and self.canary is not None:
            who = None if caller.admin else caller.name
            if sticky.place(str(canary.ref), who, user) < self.canary.weight:
                return Route(canary, CANARY, otherwise=live)
        shadow = self._share(self.shadow)
        if shadow is not None and self.shadow is not None and random.random() * 100 >= self.shadow.weight:
            shadow = None
        return Route(live, STABLE, shadow=shadow)

    def may_name(self, number: int, caller: Caller) -> bool:
        """Whether this caller may ask for a release by its number."""
        return self._may_name(number, None if caller.admin else self.pins.get(caller.name), caller)

    def _may_name(self, number: int, pinned: int | None, caller: Caller) -> bool:
        if number == pinned:
            return True
        if number in self.yanked or number in self.retired.releases:
            return False
        if number not in self.releases and number not in self.broken:
            return False
        if caller.has(Right.NUMBERS):
            return True
        return pinned is None and number in (self.live, self.canary.number if self.canary else None)

    def desired(self) -> dict[int, list[str]]:
        """The releases that the engine has to hold, by number, and why: what is live, tried, or pinned."""
        return self._among(self.releases)

    def unservable(self) -> dict[int, list[str]]:
        """Those desired releases that cannot be served here; ``broken`` says why."""
        return self._among(self.broken)

    def _among(self, numbers: Container[int]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for why, number in self._reasons():
            if number is not None and number in numbers:
                found.setdefault(number, []).append(why)
        return found

    def _reasons(self) -> Iterator[tuple[str, int | None]]:
        if self.retired.adapter:
            return
        yield "live", self.live
        for why, share in ((CANARY, self.canary), (SHADOW, self.shadow)):
            yield why, share.number if share else None
        for tenant, number in sorted(self.pins.items()):
            yield f"{PIN_OF}{tenant}", number

    def _share(self, share: TrafficShare | None) -> LoadedRelease | None:
        return self.releases.get(share.number) if share is not None else None

    def pick(self, number: int | None) -> LoadedRelease:
        """The release of that number, or the live one. Raises UnknownModelError or EngineUnavailableError."""
        wanted = self.live if number is None else number
        if wanted is None:
            raise UnknownModelError(f"{self.name} has no live release yet; promote one", param="model")
        if wanted in self.broken:
            # Only what whoever asks can do something about is told to everybody.
            why = f": {COLLECTED}" if self.broken[wanted] == COLLECTED else " on this gateway now"
            raise EngineUnavailableError(f"{self.name.release(wanted)} cannot be served{why}")
        if wanted not in self.releases:
            raise unknown(str(self.name.release(wanted)))
        return self.releases[wanted]


class ModelName(NamedTuple):
    """A value of ``model``: whose it is, and the release that it stands for (None: the base)."""

    name: str
    owner: str
    release: LoadedRelease | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """All adapters by name, and each domain's default adapter."""

    entries: Mapping[str, AdapterEntry] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, model: str | None, caller: Caller, user: str | None = None) -> Route | None:
        """The way to the release that answers, or None for the base.

        ``model`` is ``base``, a domain, ``domain/adapter``, ``domain/adapter@number``, or ``auto`` (or absent)
        for the caller's default domain. Raises UnknownModelError or BadRequestError.
        """
        if model == BASE:
            check_base(caller)
            return None
        if model is None or model == AUTO:
            if caller.default_domain is None:
                raise BadRequestError(
                    "the request names no model and this key has no default domain; set `model`", param="model"
                )
            model = caller.default_domain
        known = self.entries.get(model)
        name, number = (known.name, None) if known is not None else self._name(model)
        entry = known or self.entries.get(str(name))
        if entry is None or not caller.may_ask(name.domain):
            raise unknown(model)
        return entry.route(number, caller, user)

    def previous(self, release: LoadedRelease) -> LoadedRelease | None:
        """The release that was live before the one that is, of the same adapter."""
        entry = self.entries[release.ref.name]
        return None if entry.previous is None else entry.releases.get(entry.previous)

    def named(self, model: str) -> LoadedRelease | None:
        """The release ``domain/adapter@number``, or the live one of ``domain/adapter``; None if it cannot be served."""
        name, _, number = model.partition("@")
        entry = self.entries.get(name)
        if entry is None or entry.retired.adapter:
            return None
        wanted = int(number) if number.isdecimal() else entry.live
        return None if wanted is None or wanted in entry.retired.releases else entry.releases.get(wanted)

    def with_adapter(self, entry: AdapterEntry, defaults: Mapping[str, str]) -> Catalog:
        """A new snapshot with one adapter replaced."""
        return Catalog({**self.entries, str(entry.name): entry}, dict(defaults))

    def pins_of(self, caller: Caller) -> frozenset[tuple[str, int]]:
        """The releases that a tenant is pinned to, by adapter."""
        name = caller.name
        return frozenset((key, entry.pins[name]) for key, entry in self.entries.items() if name in entry.pins)

    def domains(self, caller: Caller) -> list[str]:
        """The domains that this caller may ask and that have a default adapter in service."""
        served = {entry.name.domain for entry in self._defaults_in_service()}
        return [domain for domain in sorted(served) if caller.may_ask(domain)]

    def names(self, caller: Caller) -> list[ModelName]:
        """Everything that this caller may put into ``model``: the base first, which answers whatever it is asked."""
        found = [ModelName(BASE, "postil", None)] if caller.has(Right.BASE) else []
        for key in sorted(self.entries):
            entry = self.entries[key]
            domain = entry.name.domain
            if entry.retired.adapter or not caller.may_ask(domain):
                continue
            live = None if entry.live is None else entry.releases.get(entry.live)
            if live is not None:
                if self.defaults.get(domain) == entry.name.adapter:
                    found.append(ModelName(domain, domain, live))
                found.append(ModelName(key, domain, live))
            found += [
                ModelName(str(release.ref), domain, release)
                for number, release in sorted(entry.releases.items())
                if entry.may_name(number, caller)
            ]
        return found

    def default_releases(self) -> list[LoadedRelease]:
        """The live releases of the adapters that answer for their domain."""
        entries = self._defaults_in_service()
        live = (entry.releases.get(entry.live) for entry in entries if entry.live is not None)
        return [release for release in live if release is not None]

    def desired(self) -> list[tuple[LoadedRelease, list[str]]]:
        """Every release that the engine has to hold, and why, in the order of their names."""
        return [need for name in sorted(self.entries) for need in self.entries[name].needs]

    def _defaults_in_service(self) -> Iterator[AdapterEntry]:
        """The adapters that answer for their domain; one that is not known here yet is not among them."""
        for domain, adapter in sorted(self.defaults.items()):
            entry = self.entries.get(f"{domain}/{adapter}")
            if entry is not None and not entry.retired.adapter:
                yield entry

    def _name(self, model: str) -> tuple[AdapterName, int | None]:
        if model in self.defaults:
            return AdapterName(model, self.defaults[model]), None
        try:
            if "@" in model:
                ref = parse_release(model)
                return AdapterName(ref.domain, ref.adapter), ref.number
            return parse_adapter(model), None
        except NameInvalidError:
            raise unknown(model) from None


def unknown(model: str) -> UnknownModelError:
    """The error for what is not there, and for what is not for this caller: they look the same."""
    message = f"the model {model[:200]!r} does not exist; GET /v1/models lists those there are"
    return UnknownModelError(message, param="model")
