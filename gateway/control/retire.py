"""Retire and restore releases and adapters, and set a domain's default, on a running gateway."""

from __future__ import annotations

from functools import partial

from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.releases import ReleaseService
from postil.plugins import ReleaseRef
from postil.registry.names import AdapterName
from postil.registry.releases import domains, retire
from postil.registry.releases.state import AdapterState


class RetireService:
    """Retires and restores on a running gateway."""

    def __init__(self, registry: RegistryHandle, releases: ReleaseService) -> None:
        self._registry = registry
        self._releases = releases

    async def retire_release(self, ref: ReleaseRef, *, reason: str, actor: str) -> AdapterState:
        """Retire a release, except for tenants that are pinned to it; returns its adapter."""
        act = partial(retire.retire_release, self._registry.database(), ref, reason=reason, actor=actor)
        return await self._releases.change(AdapterName(ref.domain, ref.adapter), act)

    async def restore_release(self, ref: ReleaseRef, *, reason: str, actor: str) -> AdapterState:
        """Restore a retired release."""
        act = partial(retire.restore_release, self._registry.database(), ref, reason=reason, actor=actor)
        return await self._releases.change(AdapterName(ref.domain, ref.adapter), act)

    async def retire_adapter(self, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
        """Retire an adapter with all its releases."""
        act = partial(retire.retire_adapter, self._registry.database(), name, reason=reason, actor=actor)
        return await self._releases.change(name, act)

    async def restore_adapter(self, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
        """Restore a retired adapter as it was."""
        act = partial(retire.restore_adapter, self._registry.database(), name, reason=reason, actor=actor)
        return await self._releases.change(name, act)

    async def set_default(self, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
        """Make an adapter its domain's default."""
        act = partial(domains.set_default, self._registry.database(), name, reason=reason, actor=actor)
        return await self._releases.change(name, act)
