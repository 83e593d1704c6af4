from __future__ import annotations

from postil.registry.db.audit_chain import first_break
from postil.registry.names import AdapterName
from postil.registry.releases import history
from postil.registry.releases.exports import note_export
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish


def test_who_took_a_release_out_stands_in_the_log(registry: Registry, publish: Publish) -> None:
    publish("legal/clause")
    release = registry.release(AdapterName("legal", "clause").release(1))
    note_export(registry.database, release, actor="eve")
    events = history.log(registry.database)
    assert (events[-1].actor, events[-1].action, events[-1].subject, events[-1].before) == (
        "eve",
        "export",
        "legal/clause",
        1,
    )
    assert events[-1].details == {"artifact": release.artifact}
    assert first_break(events) is None
