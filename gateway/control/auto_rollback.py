"""Takes back by itself a release that was found worse than its predecessor, and says why in the log."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict

from postil.gateway.control import releases as releasing
from postil.gateway.control.analysis.monitor import Regression
from postil.gateway.control.runtime import Gateway
from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.registry.errors import RegistryError, UnavailableError
from postil.registry.names import AdapterName
from postil.registry.releases.channels import CANARY, Precondition

log = logging.getLogger(__name__)
ACTOR = "postil"
_AGAIN_SECONDS = 1.0


async def roll_back_regressions(gateway: Gateway) -> None:
    """Act on every alarm as it comes; until cancelled. Where that is turned off, only say what was found."""
    while True:
        regression = await gateway.regressions.get()
        if not gateway.settings.auto_rollback:
            log.warning("%s; it stays, because automatic rollback is turned off", _reason(regression))
            continue
        try:
            await roll_back(gateway, regression)
        except (EngineUnavailableError, UnavailableError) as error:
            # It may be this very release that breaks the engine, or the database is away: what can be done is done as
            # soon as they are back.
            log.warning("%s cannot be taken back yet: %s", regression.new, error)
            await asyncio.sleep(_AGAIN_SECONDS)
            gateway.regressions.put_nowait(regression)
        except (RegistryError, GatewayError) as error:
            # Somebody was faster, or the predecessor cannot be loaded: then it is left to people.
            log.error(
                "%s was found worse than %s, but could not be taken back: %s", regression.new, regression.old, error
            )
        except Exception:  # The database may go at any moment, and the next alarm is heard all the same.
            log.exception("%s was found worse than %s, but could not be taken back", regression.new, regression.old)


async def roll_back(gateway: Gateway, regression: Regression) -> None:
    """End the canary, or go back to the release that was live before; only if it is still where it was found."""
    name, only = AdapterName(regression.new.domain, regression.new.adapter), Precondition(number=regression.new.number)
    reason, details = _reason(regression), {"finding": asdict(regression.evidence)}
    log.warning("taking back by itself: %s", reason)
    if regression.which == CANARY:
        await releasing.clear(gateway, name, CANARY, reason=reason, actor=ACTOR, only=only, details=details)
    else:
        await releasing.rollback(gateway, regression.old, reason=reason, actor=ACTOR, only=only, details=details)


def _reason(regression: Regression) -> str:
    return f"{regression.new} is worse than {regression.old}: {regression.evidence}"
