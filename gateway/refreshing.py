"""Takes tenants and keys over after a change to them: the change is done, whatever becomes of the database then."""

from __future__ import annotations

import logging

from postil.gateway.lifecycle import Gateway
from postil.registry.errors import UnavailableError

log = logging.getLogger(__name__)


async def refresh_keys(gateway: Gateway) -> None:
    """Take all tenants and keys over, after a change that was committed.

    A database that is lost since then undoes nothing: to say that nothing was changed would be wrong, and would keep
    the text of a new key from whoever asked for it. ``following_keys`` takes it over as it does what others did.
    """
    try:
        await gateway.refresh_tenants()
    except UnavailableError:
        log.warning("a change to tenants or keys is done, and in force here once the database answers")
