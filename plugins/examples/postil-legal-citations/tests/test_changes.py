from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from postil.plugins import Notification
from postil.plugins.testing import check_listener

from postil_legal_citations.changes import Changes


def notification(action: str, subject: str, reason: str = "more leases") -> Notification:
    return Notification(action, subject, "anna", reason, datetime(2026, 1, 31, 12, tzinfo=UTC), 1, 2)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_listener(Changes, {"file": str(tmp_path / "changes.md"), "domain": "law"}, bad=[{}, {"file": 7}])


def test_it_tells_of_its_own_domain_what_is_in_force(tmp_path: Path) -> None:
    listener = Changes.from_mapping({"file": str(tmp_path / "changes.md")})
    for told in (
        notification("publish", "legal/clause"),
        notification("promote", "legal/clause"),
        notification("promote", "finance/intent"),
        notification("rollback", "legal/clause", ""),
    ):
        listener.handle(told)
    assert (tmp_path / "changes.md").read_text(encoding="utf-8").splitlines() == [
        "- 2026-01-31 12:00 legal/clause@2 by anna: more leases",
        "- 2026-01-31 12:00 legal/clause@2 by anna",
    ]
