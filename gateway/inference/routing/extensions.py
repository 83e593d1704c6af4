"""Plugins that the gateway's settings name: a router, gates before promotion, listeners."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from postil.gateway.errors import BadRequestError, RefusedError, SettingsError
from postil.gateway.plugin_host.call import call, result_of
from postil.gateway.plugin_host.ports import DidNotRunError, Isolation
from postil.gateway.settings import PluginUse, Settings, router_of
from postil.gateway.tenancy.directory import Caller
from postil.plugins import Candidate, Notification, RoutingRequest, Undecided, Verdict
from postil.plugins.contract import Component, Gate, Listener, Router
from postil.plugins.errors import PluginError
from postil.plugins.manager import PluginManager

log = logging.getLogger(__name__)
# The process in which installed plugins run that belong to no domain; no domain can be called so.
_NOBODYS = "_gateway"
# What a refusal tells.
_MOST_NAMED, _MOST_REASON = 20, 200
_ROUTE_SECONDS, _GATE_SECONDS, _HEAR_SECONDS = 0.2, 30.0, 60.0


class Extensions:
    """One router at most, any number of gates and listeners."""

    def __init__(
        self,
        isolation: Isolation,
        router: Router | None = None,
        gates: Sequence[Gate] = (),
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._isolation = isolation
        self._router = router
        self._gates = gates
        self._listeners = listeners

    @classmethod
    def make(cls, settings: Settings, plugins: PluginManager, isolation: Isolation) -> Extensions:
        """Those that the settings name. Raises SettingsError if one cannot be made."""
        return cls(
            isolation,
            _made(plugins, "router", router) if (router := router_of(settings)) else None,
            [_made(plugins, "gate", use) for use in settings.gates],
            [_made(plugins, "listener", use) for use in settings.listeners],
        )

    @property
    def listens(self) -> bool:
        """Whether there are listeners."""
        return bool(self._listeners)

    @property
    def guards(self) -> bool:
        """Whether there is a gate before promotion."""
        return bool(self._gates)

    @property
    def routes(self) -> bool:
        """Whether there is a router."""
        return self._router is not None

    async def route(self, caller: Caller, request: Any, domains: Sequence[str]) -> str | None:
        """The model that the router chooses, or None: then it is the tenant's default domain.

        Raises BadRequestError where the router finds no model to be right.
        """
        if self._router is None:
            return None
        try:
            question = RoutingRequest(caller.name, tuple(domains), request)
            chosen = await self._call("router", self._router, "route", question, seconds=_ROUTE_SECONDS)
        except DidNotRunError as error:
            log.warning("router %s did not run: it %s", self._router.name, error)
            return None
        if isinstance(chosen, Undecided):
            raise undecided(chosen.reason, domains)
        return chosen if isinstance(chosen, str) else None

    async def let_through(self, candidate: Candidate, live: Candidate | None) -> None:
        """Ask every gate. Raises RefusedError by the first that fails the release, or does not run."""
        for gate in self._gates:
            try:
                verdict = await self._call("gate", gate, "check", candidate, live, seconds=_GATE_SECONDS)
            except DidNotRunError as error:
                verdict = Verdict.failed(f"it did not run: it {error}")
            if not isinstance(verdict, Verdict) or not verdict.ok:
                reason = verdict.reason if isinstance(verdict, Verdict) else "it returned no verdict"
                raise RefusedError(f"{candidate.release} was not made live: gate `{gate.name}`: {reason}")

    async def tell(self, notification: Notification) -> None:
        """Tell every listener in turn; one that fails does not keep the others from hearing."""
        for listener in self._listeners:
            try:
                await self._call("listener", listener, "handle", notification, seconds=_HEAR_SECONDS)
            except DidNotRunError as error:
                log.warning("listener %s did not hear of %s: it %s", listener.name, notification.action, error)

    async def _call(self, kind: str, component: Component, method: str, *arguments: Any, seconds: float) -> Any:
        """What a component's method returns. Raises DidNotRunError."""
        # A router is on the way of a request and has to be quick; the others may take their time in a thread.
        threaded = kind != "router"
        return await result_of(
            call(self._isolation, _NOBODYS, component, method, arguments, seconds, threaded=threaded)
        )


def undecided(reason: str, domains: Sequence[str]) -> BadRequestError:
    """The refusal of a request for which no model is right; it names those that the caller may ask."""
    named = ", ".join(domains[:_MOST_NAMED]) + (", ..." if len(domains) > _MOST_NAMED else "")
    known = f"one of {named}" if named else "a model"
    message = f"the router chose no model ({reason[:_MOST_REASON]}); set `model` to {known}; GET /v1/models lists all"
    return BadRequestError(message, param="model", code="no_route")


def _made(plugins: PluginManager, kind: str, use: PluginUse) -> Any:
    try:
        return plugins.make(plugins.component(kind, use.name), use.config)
    except PluginError as error:
        raise SettingsError(f"settings, {kind} {use.name}: {error}") from error
