"""Who made a release live, when and why."""

from __future__ import annotations

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Event
from postil.registry.names import AdapterName
from postil.registry.releases.history import MOVES

_MOST = 10_000


class LastMoves:
    """Finds the event that moved the live release last. Who yanks the live one has an event for what is live then, too.

    An adapter may have many events since, such as decisions on its reviews. They are looked through once for each move,
    which the revision of ``stable`` counts.
    """

    def __init__(self) -> None:
        self._known: dict[AdapterName, tuple[int, Event | None]] = {}

    def of(self, database: Database, name: AdapterName) -> Event | None:
        """Return that event; None if no release was ever live. Not for the event loop."""
        with database.read() as session:
            stable = store.channel(session, name)
            revision = 0 if stable is None else stable.revision
            known = self._known.get(name)
            if known is None or known[0] != revision:
                known = revision, store.last_event(session, str(name), MOVES)
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[name] = known
        return known[1]
