"""Automatic rollback: releases that are worse than their predecessor are yanked, those with damaged files replaced."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, dataclass

from postil.gateway.control.analysis.monitor import Regression
from postil.gateway.control.releases import ReleaseService
from postil.gateway.errors import BusyError, EngineUnavailableError, GatewayError
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.plugins import ReleaseRef
from postil.registry.errors import RegistryError, UnavailableError
from postil.registry.releases.channels import CANARY, Precondition
from postil.registry.text import cleaned

log = logging.getLogger(__name__)
ACTOR = "postil"
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CorruptArtifact:
    """A release whose files are missing or differ from those published, with a sentence that says how."""

    release: ReleaseRef
    reason: str


RollbackCause = Regression | CorruptArtifact


class AutoRollback:
    """Acts on each finding as it arrives. If automatic rollback is off, it only logs the finding."""

    def __init__(
        self,
        causes: asyncio.Queue[RollbackCause],
        releases: ReleaseService,
        catalog: CatalogHolder,
        *,
        enabled: bool,
    ) -> None:
        self._causes = causes
        self._releases = releases
        self._catalog = catalog
        self._enabled = enabled

    async def run(self) -> None:
        """Act on findings until cancelled."""
        while True:
            cause = await self._causes.get()
            try:
                await (self._regressed(cause) if isinstance(cause, Regression) else self._corrupt(cause))
            except (EngineUnavailableError, BusyError, UnavailableError) as error:
                log.warning("cannot roll back yet: %s: %s", _subject(cause), error)
                # This release may be what breaks the engine, the database may be unavailable, or the threads at work:
                # try until they are back. Corrupt files are found again at the next load.
                if isinstance(cause, Regression):
                    await asyncio.sleep(_RETRY_SECONDS)
                    self._causes.put_nowait(cause)
            except (RegistryError, GatewayError) as error:
                # Somebody else changed it first, or the predecessor cannot be loaded: leave it to people.
                log.error("%s could not be rolled back: %s", _subject(cause), error)

    async def _regressed(self, found: Regression) -> None:
        """Yank a release, unless its channel has moved since the finding: a canary ends, or what was live before is."""
        reason, details = (
            f"{found.new} is worse than {found.old}: {found.evidence}",
            {"finding": asdict(found.evidence)},
        )
        if not self._enabled:
            log.warning("%s; it stays, because automatic rollback is turned off", reason)
            return
        log.warning("rolling back automatically: %s", reason)
        await self._releases.yank(
            found.new,
            reason=reason,
            actor=ACTOR,
            to=None if found.which == CANARY else found.old.number,
            which=found.which,
            only=Precondition(number=found.new.number),
            details=details,
            load_first=True,
        )

    async def _corrupt(self, found: CorruptArtifact) -> None:
        """Go back to the last good release if this one is live."""
        release = found.release
        entry = self._catalog.current.entries.get(release.name)
        if entry is None or entry.live != release.number:
            return
        if not self._enabled:
            log.error("%s stays live, because automatic rollback is turned off: %s", release, found.reason)
            return
        before = await self._releases.rollback_target(entry.name, None)
        reason = cleaned(f"{release} cannot be loaded: {found.reason}")
        log.error("rolling back to %s automatically: %s", before, reason)
        only = Precondition(number=release.number)
        await self._releases.rollback(before, reason=reason, actor=ACTOR, only=only)


def _subject(cause: RollbackCause) -> str:
    return str(cause.new if isinstance(cause, Regression) else cause.release)
