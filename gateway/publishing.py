"""Publish on a running gateway: take the files in, check them, make the release, then the snapshot."""

from __future__ import annotations

import asyncio
from typing import IO

from postil.gateway.lifecycle import Gateway
from postil.registry.models import Release
from postil.registry.names import AdapterName
from postil.registry.policy import Policy
from postil.registry.sources import unpack


async def publish(
    gateway: Gateway, upload: IO[bytes], name: AdapterName, policy: Policy | None, *, note: str, actor: str
) -> tuple[Release, bool]:
    """Make a release of an uploaded tar; returns it and whether it is new. A refusal changes nothing."""
    async with gateway.changing:
        made = await asyncio.to_thread(_publish, gateway, upload, name, policy, note, actor)
        await gateway.refresh(name)
        return made


def _publish(
    gateway: Gateway, upload: IO[bytes], name: AdapterName, policy: Policy | None, note: str, actor: str
) -> tuple[Release, bool]:
    registry = gateway.registry()
    with registry.artifacts.incoming() as folder:
        unpack(upload, folder, gateway.settings.upload_limit_mib << 20)
        return registry.publish(folder, name, policy, note=note, actor=actor)
