from __future__ import annotations

from postil.registry.accounts import denied_attempts as refused
from postil.registry.accounts.denied_attempts import DeniedAttemptRow
from postil.registry.db.database import Database
from postil.registry.releases import history
from postil.registry.releases.history import AuditReport


def test_refused_attempts_are_events_of_the_chain(database: Database) -> None:
    refused.record(database, [DeniedAttemptRow("ann", {"times": 3}), DeniedAttemptRow("nobody", {"times": 1})])
    found = [(event.actor, event.action, event.subject, event.details) for event in history.log(database)]
    assert found == [
        ("ann", "refused", "admin-api", {"times": 3}),
        ("nobody", "refused", "admin-api", {"times": 1}),
    ]
    assert history.verify(database) == AuditReport(2, None)
