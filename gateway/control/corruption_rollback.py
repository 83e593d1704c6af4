"""Goes back to the last good release where the live one's files are damaged, so that it cannot be loaded any more."""

from __future__ import annotations

import logging

from postil.gateway.control import releases as releasing
from postil.gateway.control.auto_rollback import ACTOR
from postil.gateway.control.corruption import CorruptArtifact
from postil.gateway.control.runtime import Gateway
from postil.gateway.errors import GatewayError
from postil.registry.errors import RegistryError
from postil.registry.names import AdapterName
from postil.registry.releases.channels import Precondition

log = logging.getLogger(__name__)


async def roll_back_corrupt(gateway: Gateway) -> None:
    """Act on every damage that is found; until cancelled.

    What cannot be done now, as while a new engine is being warmed, is done when the next try to load it fails.
    """
    while True:
        damage = await gateway.corrupt_artifacts.get()
        try:
            await _go_back(gateway, damage)
        except (RegistryError, GatewayError) as error:
            log.error("%s: nothing can be gone back to now: %s", damage.release, error)
        except Exception:  # The next damage is heard of all the same.
            log.exception("%s: nothing can be gone back to now", damage.release)


async def _go_back(gateway: Gateway, damage: CorruptArtifact) -> None:
    release = damage.release
    name = AdapterName(release.domain, release.adapter)
    entry = gateway.catalog.entries.get(str(name))
    if entry is None or entry.live != release.number:
        return
    if not gateway.settings.auto_rollback:
        log.error("%s stays live, because automatic rollback is turned off: %s", release, damage.reason)
        return
    before = await releasing.rollback_target(gateway, name, None)
    reason = f"{release} cannot be loaded: {damage.reason}"
    log.error("going back to %s by itself: %s", before, reason)
    await releasing.rollback(gateway, before, reason=reason, actor=ACTOR, only=Precondition(number=release.number))
