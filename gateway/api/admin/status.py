"""``/api/v1/status``: what the gateway is doing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from litestar import get

from postil.gateway.api.admin.component_views import show_mismatches
from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.control.analysis.monitor import Monitor
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
    """What is looked at to say how the gateway does."""

    engine: EngineHandle
    registry: RegistryHandle
    catalog: CatalogHolder
    scheduler: Scheduler
    monitor: Monitor
    traffic: Traffic
    workers: Workers
    worker_count: int
    tasks: BackgroundTasks


def status_route(parts: StatusParts) -> Any:
    """The route over one gateway."""

    @get("/status", sync_to_thread=False, may=Permission.SEE)
    def shown(request: AnyRequest) -> dict[str, Any]:
        return status(parts, caller_of(request))

    return shown


def status(parts: StatusParts, caller: Caller) -> dict[str, Any]:
    """What the gateway is doing, and what of each adapter that the key may see is live and resident."""
    base = parts.registry.get().base if parts.registry.started else None
    return {
        "engine": str(parts.engine.phase),
        "problem": parts.registry.problem,
        "requests_in_flight": parts.traffic.in_flight + parts.workers.in_flight,
        "workers": parts.worker_count,
        "workers_serving": parts.workers.serving,
        "requests_waiting": parts.scheduler.queue.waiting,
        "engine_restarts": parts.engine.restarts,
        "base": base.id if base else None,
        "base_revision": base.revision if base else None,
        "adapters": [
            *(
                _wanted(parts, loaded, _why(why, caller))
                for loaded, why in parts.catalog.current.desired()
                if caller.may(Permission.SEE, loaded.ref.domain)
            ),
            *_missed(parts, caller),
        ],
        "watches": _watches(parts, caller),
        "failing_tasks": parts.tasks.failing,
    }


def _why(why: list[str], caller: Caller) -> list[str]:
    """Why a release is held. Whose pin it is, is for those who may know who the tenants are."""
    if caller.may(Permission.SEE_KEYS):
        return why
    return list(dict.fromkeys(f"{PIN_OF}a tenant" if each.startswith(PIN_OF) else each for each in why))


def _wanted(parts: StatusParts, loaded: LoadedRelease, why: list[str]) -> dict[str, Any]:
    """A release that the engine has to hold, and whether it does."""
    failure = parts.engine.load_failure(loaded)
    return {
        "release": str(loaded.ref),
        "why": why,
        "resident": parts.engine.can_serve(loaded),
        "mismatches": show_mismatches(parts.catalog.current.entries[loaded.ref.name].mismatches.get(loaded.ref.number)),
        "problem": failure.reason if failure else None,
        "attempts": failure.attempts if failure else 0,
    }


def _missed(parts: StatusParts, caller: Caller) -> list[dict[str, Any]]:
    """The releases that the engine should hold, but that cannot be served on this gateway."""
    return [
        {
            "release": str(entry.name.release(number)),
            "why": _why(why, caller),
            "resident": False,
            "mismatches": show_mismatches(entry.mismatches.get(number)),
            "problem": entry.broken[number],
            "attempts": 0,
        }
        for entry in _seen(parts, caller)
        for number, why in sorted(entry.unservable().items())
    ]


def _seen(parts: StatusParts, caller: Caller) -> list[AdapterEntry]:
    """The adapters that a key may see, by name."""
    entries = parts.catalog.current.entries
    return [entries[name] for name in sorted(entries) if caller.may(Permission.SEE, entries[name].name.domain)]


def _watches(parts: StatusParts, caller: Caller) -> list[dict[str, Any]]:
    """What is compared with its predecessor, and the evidence so far."""
    found = []
    for name in (str(entry.name) for entry in _seen(parts, caller)):
        watch = parts.monitor.watch(name)
        if watch is not None:
            found.append(
                {
                    "new": f"{name}@{watch.new}",
                    "old": f"{name}@{watch.old}",
                    "channel": watch.which,
                    "evidence": [asdict(signal) for signal in watch.comparison.evidence()],
                }
            )
    return found
