"""Canaries in steps on a running gateway: started, held and raised by people, and raised by evidence."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.analysis.steps import StepEvidence, Wait, sentence, waits_for
from postil.gateway.control.auto_rollback import ACTOR
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.gateway.errors import GatewayError
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.plugins import ReleaseRef
from postil.registry.errors import RegistryError
from postil.registry.names import AdapterName
from postil.registry.releases import canary_steps
from postil.registry.releases.channels import ANY, Precondition
from postil.registry.releases.state import AdapterState
from postil.registry.releases.step_plan import StepPlan

log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class StepState:
    """A canary's steps, what this gateway has judged at this one of what is ``needed``, and what the next waits for."""

    plan: StepPlan
    judged: int
    needed: int
    waits_for: str


class StepService:
    """Starts and changes canaries in steps. ``needed`` requests have to be judged at a step before the next."""

    def __init__(
        self,
        registry: RegistryHandle,
        releases: ReleaseService,
        catalog: CatalogHolder,
        monitor: Monitor,
        *,
        needed: int,
    ) -> None:
        self._registry = registry
        self._releases = releases
        self._catalog = catalog
        self._monitor = monitor
        self._needed = needed
        # When an adapter's step that was refused is tried again.
        self._again: dict[str, float] = {}

    async def begin(
        self,
        ref: ReleaseRef,
        steps: Sequence[float],
        *,
        hold: bool,
        reason: str,
        actor: str,
        only: Precondition = ANY,
    ) -> AdapterState:
        """Make a release the canary at the first of its steps."""
        act = partial(canary_steps.begin_steps, self._registry.database(), ref, steps, hold=hold)
        return await self._releases.try_out(ref, partial(act, reason=reason, actor=actor, only=only))

    async def advance(
        self,
        ref: ReleaseRef,
        *,
        reason: str,
        actor: str,
        only: Precondition = ANY,
        by_evidence: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> AdapterState:
        """Raise a canary to its next step."""
        act = partial(canary_steps.advance, self._registry.database(), ref, reason=reason, actor=actor, only=only)
        return await self._releases.change_loaded(ref, partial(act, by_evidence=by_evidence, details=details))

    async def hold(
        self, ref: ReleaseRef, *, held: bool, reason: str, actor: str, only: Precondition = ANY
    ) -> AdapterState:
        """Hold a canary at its step, or let it go on by evidence."""
        act = partial(canary_steps.hold_steps, self._registry.database(), ref, held=held)
        return await self._releases.change(
            AdapterName(ref.domain, ref.adapter), partial(act, reason=reason, actor=actor, only=only)
        )

    def state(self, name: str) -> StepState | None:
        """Return the steps of an adapter's canary as this gateway knows them; None if it has none."""
        entry = self._catalog.current.entries.get(name)
        if entry is None or entry.steps is None:
            return None
        shown = self._monitor.step_evidence(name)
        judged = 0 if shown is None else shown.judged
        return StepState(entry.steps, judged, self._needed, sentence(entry.steps, shown, self._needed))

    async def run(self) -> None:
        """Make the steps that are due, until cancelled."""
        while True:
            for entry in [each for each in self._catalog.current.entries.values() if each.steps is not None]:
                await self._look(entry)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, entry: AdapterEntry) -> None:
        """Make an adapter's next step if it is due. Of several gateways that see so, one makes it."""
        name, plan, shown = str(entry.name), entry.steps, self._monitor.step_evidence(str(entry.name))
        if plan is None or shown is None or entry.canary is None or entry.retired.adapter:
            return
        if waits_for(plan, shown, self._needed) is not Wait.NOTHING or time.monotonic() < self._again.get(name, 0.0):
            return
        ref = entry.name.release(entry.canary.number)
        only = Precondition(number=ref.number, revision=plan.revision)
        reason, details = _grounds(plan, shown, self._needed)
        log.info("raising the canary %s: %s", ref, reason)
        try:
            await self.advance(ref, reason=reason, actor=ACTOR, only=only, by_evidence=True, details=details)
            self._again.pop(name, None)
        except (GatewayError, RegistryError) as error:
            # Another gateway or a person was first, or the engine or the database is away.
            self._again[name] = time.monotonic() + _AGAIN_SECONDS
            log.warning("the canary %s could not be raised: %s", ref, error)


def _grounds(plan: StepPlan, shown: StepEvidence, needed: int) -> tuple[str, Mapping[str, Any]]:
    """The reason of a step and its figures, for the log."""
    reason = (
        f"{shown.judged:,} requests judged at {plan.weight:g} per cent, whichever tenant is left out ({needed:,} are"
        f" needed); no signal is suspicious: {shown.signal} are {shown.suspicion:.0%} of the way to an alarm"
    )
    evidence = {"judged": shown.judged, "needed": needed, "signal": shown.signal, "suspicion": shown.suspicion}
    return reason, {"evidence": evidence}
