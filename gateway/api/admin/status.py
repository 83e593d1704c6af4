"""``/api/v1/status``: the state of the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import get

from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.admin.schemas.components import show_mismatches
from postil.gateway.api.admin.schemas.status import CanaryProgress, ReleaseComparison, Signal, Status, WantedRelease
from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.canary_steps import StepService
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.control.workers import Workers
from postil.gateway.engine.scheduler.scheduler import Scheduler
from postil.gateway.inference.routing.catalog import PIN_OF, AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission


@dataclass(frozen=True, slots=True)
class StatusParts:
    """The parts of the gateway that the status is read from."""

    engine: EngineHandle
    registry: RegistryHandle
    catalog: CatalogHolder
    scheduler: Scheduler
    monitor: Monitor
    steps: StepService
    traffic: Traffic
    workers: Workers
    worker_count: int
    tasks: BackgroundTasks


def status_route(parts: StatusParts) -> Any:
    """Return the status route."""

    @get("/status", sync_to_thread=False, may=Permission.SEE)
    def shown(request: AnyRequest) -> Status:
        return status(parts, caller_of(request))

    return shown


def status(parts: StatusParts, caller: Caller) -> Status:
    """Return the gateway's state, with the live and loaded releases of each adapter that the key may see."""
    base = parts.registry.get().base if parts.registry.started else None
    wanted = [
        _wanted(parts, loaded, _reasons(reasons, caller))
        for loaded, reasons in parts.catalog.current.desired()
        if caller.may(Permission.SEE, loaded.ref.domain)
    ]
    return Status(
        engine=str(parts.engine.phase),
        problem=parts.registry.problem,
        requests_in_flight=parts.traffic.in_flight + parts.workers.in_flight,
        workers=parts.worker_count,
        workers_serving=parts.workers.serving,
        requests_waiting=parts.scheduler.queue.waiting,
        engine_restarts=parts.engine.restarts,
        base=base.id if base else None,
        base_revision=base.revision if base else None,
        adapters=[*wanted, *_unservable(parts, caller)],
        comparisons=_comparisons(parts, caller),
        canaries_in_steps=_in_steps(parts, caller),
        failing_tasks=parts.tasks.failing,
    )


def _reasons(reasons: list[str], caller: Caller) -> list[str]:
    """Return why the engine should hold a release; pinned tenants are named only for keys that may see tenants."""
    if caller.may(Permission.SEE_KEYS):
        return reasons
    return list(dict.fromkeys(f"{PIN_OF}a tenant" if each.startswith(PIN_OF) else each for each in reasons))


def _wanted(parts: StatusParts, loaded: LoadedRelease, reasons: list[str]) -> WantedRelease:
    """Convert a release that the engine should hold, and whether it does."""
    failure = parts.engine.load_failure(loaded)
    entry = parts.catalog.current.entries[loaded.ref.name]
    return WantedRelease(
        release=str(loaded.ref),
        reasons=reasons,
        loaded=parts.engine.can_serve(loaded),
        mismatches=show_mismatches(entry.mismatches.get(loaded.ref.number)),
        problem=failure.reason if failure else None,
        attempts=failure.attempts if failure else 0,
        warnings=list(loaded.spec.warnings) if loaded.spec else [],
    )


def _unservable(parts: StatusParts, caller: Caller) -> list[WantedRelease]:
    """Return the releases that the engine should hold but that this gateway cannot serve."""
    return [
        WantedRelease(
            release=str(entry.name.release(number)),
            reasons=_reasons(reasons, caller),
            loaded=False,
            mismatches=show_mismatches(entry.mismatches.get(number)),
            problem=entry.broken[number],
            attempts=0,
            warnings=[],
        )
        for entry in _seen(parts, caller)
        for number, reasons in sorted(entry.unservable().items())
    ]


def _seen(parts: StatusParts, caller: Caller) -> list[AdapterEntry]:
    """Return the adapters that a key may see, by name."""
    entries = parts.catalog.current.entries
    return [entries[name] for name in sorted(entries) if caller.may(Permission.SEE, entries[name].name.domain)]


def _comparisons(parts: StatusParts, caller: Caller) -> list[ReleaseComparison]:
    """Return the running comparisons and their evidence so far."""
    found = []
    for name in (str(entry.name) for entry in _seen(parts, caller)):
        watch = parts.monitor.watch(name)
        if watch is not None:
            signals = [msgspec.convert(each, Signal, from_attributes=True) for each in watch.comparison.evidence()]
            candidate, baseline = f"{name}@{watch.new}", f"{name}@{watch.old}"
            found.append(
                ReleaseComparison(candidate=candidate, baseline=baseline, channel=watch.which, evidence=signals)
            )
    return found


def _in_steps(parts: StatusParts, caller: Caller) -> list[CanaryProgress]:
    """Return the canaries that are raised in steps."""
    found = []
    for entry in _seen(parts, caller):
        state = parts.steps.state(str(entry.name))
        if state is not None and entry.canary is not None:
            found.append(
                CanaryProgress(
                    adapter=str(entry.name),
                    release=str(entry.name.release(entry.canary.number)),
                    steps=list(state.plan.steps),
                    step=state.plan.step + 1,
                    held=state.plan.held,
                    judged=state.judged,
                    needed=state.needed,
                    waits_for=state.waits_for,
                )
            )
    return found
