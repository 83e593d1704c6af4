"""Takes back by itself a release that was found worse than its predecessor, and says why in the log."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict

from postil.gateway.control import releases as releasing
from postil.gateway.control.analysis.monitor import Alarm
from postil.gateway.control.runtime import Gateway
from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.registry.errors import RegistryError, UnavailableError
from postil.registry.names import AdapterName
from postil.registry.releases.channels import CANARY, Only

log = logging.getLogger(__name__)
ACTOR = "postil"
_AGAIN_SECONDS = 1.0


async def take_back_what_alarms(gateway: Gateway) -> None:
    """Act on every alarm as it comes; until cancelled. Where that is turned off, only say what was found."""
    while True:
        alarm = await gateway.alarms.get()
        if not gateway.settings.auto_rollback:
            log.warning("%s; it stays, because automatic rollback is turned off", _reason(alarm))
            continue
        try:
            await take_back(gateway, alarm)
        except (EngineUnavailableError, UnavailableError) as error:
            # It may be this very release that breaks the engine, or the database is away: what can be done is done as
            # soon as they are back.
            log.warning("%s cannot be taken back yet: %s", alarm.new, error)
            await asyncio.sleep(_AGAIN_SECONDS)
            gateway.alarms.put_nowait(alarm)
        except (RegistryError, GatewayError) as error:
            # Somebody was faster, or the predecessor cannot be loaded: then it is left to people.
            log.error("%s was found worse than %s, but could not be taken back: %s", alarm.new, alarm.old, error)
        except Exception:  # The database may go at any moment, and the next alarm is heard all the same.
            log.exception("%s was found worse than %s, but could not be taken back", alarm.new, alarm.old)


async def take_back(gateway: Gateway, alarm: Alarm) -> None:
    """End the canary, or go back to the release that was live before; only if it is still where it was found."""
    name, only = AdapterName(alarm.new.domain, alarm.new.adapter), Only(number=alarm.new.number)
    reason, details = _reason(alarm), {"finding": asdict(alarm.finding)}
    log.warning("taking back by itself: %s", reason)
    if alarm.which == CANARY:
        await releasing.clear(gateway, name, CANARY, reason=reason, actor=ACTOR, only=only, details=details)
    else:
        await releasing.rollback(gateway, alarm.old, reason=reason, actor=ACTOR, only=only, details=details)


def _reason(alarm: Alarm) -> str:
    return f"{alarm.new} is worse than {alarm.old}: {alarm.finding}"
