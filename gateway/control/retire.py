"""Take releases and adapters out of service and bring them back, and say what answers for a domain."""

from __future__ import annotations

from functools import partial

from postil.gateway.control.releases import change
from postil.gateway.control.runtime import Gateway
from postil.plugins import ReleaseRef
from postil.registry.names import AdapterName
from postil.registry.releases import domains, retire
from postil.registry.releases.state import AdapterState


async def retire_release(gateway: Gateway, ref: ReleaseRef, *, reason: str, actor: str) -> AdapterState:
    """Have a release answer nobody but who is pinned to it; returns its adapter as it is then."""
    act = partial(retire.retire_release, gateway.registry().database, ref, reason=reason, actor=actor)
    return await change(gateway, AdapterName(ref.domain, ref.adapter), act)


async def restore_release(gateway: Gateway, ref: ReleaseRef, *, reason: str, actor: str) -> AdapterState:
    """Bring a retired release back into service."""
    act = partial(retire.restore_release, gateway.registry().database, ref, reason=reason, actor=actor)
    return await change(gateway, AdapterName(ref.domain, ref.adapter), act)


async def retire_adapter(gateway: Gateway, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
    """Have an adapter answer nobody."""
    act = partial(retire.retire_adapter, gateway.registry().database, name, reason=reason, actor=actor)
    return await change(gateway, name, act)


async def restore_adapter(gateway: Gateway, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
    """Bring a retired adapter back into service, as it was."""
    act = partial(retire.restore_adapter, gateway.registry().database, name, reason=reason, actor=actor)
    return await change(gateway, name, act)


async def set_default(gateway: Gateway, name: AdapterName, *, reason: str, actor: str) -> AdapterState:
    """Have an adapter answer for its domain."""
    act = partial(domains.set_default, gateway.registry().database, name, reason=reason, actor=actor)
    return await change(gateway, name, act)
