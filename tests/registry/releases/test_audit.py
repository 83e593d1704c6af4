"""What is done to the tables or to the end of the log behind postil's back is found, and named."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import JSON, bindparam, text

from postil.registry.accounts import keys, tenants
from postil.registry.accounts.forget import forget_tenant
from postil.registry.accounts.keys import KeyRequest, Role
from postil.registry.accounts.webhooks import add_webhook, remove_webhook, rotate_secret
from postil.registry.db.audit_chain import GENESIS
from postil.registry.db.database import Database
from postil.registry.errors import PolicyError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import parse_policy
from postil.registry.releases import audit, channels
from postil.registry.releases.audit import Head
from postil.registry.releases.domains import set_default
from postil.registry.releases.freeze import freeze, unfreeze
from postil.registry.releases.quotas import DomainQuotas, set_quotas
from postil.registry.releases.retire import retire_adapter
from postil.registry.releases.service import Registry
from postil.registry.releases.sources import set_sources
from postil.registry.releases.yank import unyank, yank
from postil.registry.signing.requirements import require
from tests.fakes.signing import key_pair
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")
NOTES = AdapterName("healthcare", "notes")


@pytest.fixture
def used(registry: Registry, publish: Publish, tmp_path: Path) -> Database:
    """A registry in which everything was done that can be done."""
    database = registry.database
    for seed in range(3):
        publish(seed=seed)
    publish("healthcare/notes")
    for number in (1, 2):
        registry.promote(TRIAGE.release(number), reason="", actor="ann")
    registry.rollback(TRIAGE.release(1), reason="", actor="ann")
    channels.point(database, TRIAGE.release(3), "canary", 5, reason="", actor="ann")
    channels.point(database, TRIAGE.release(2), "shadow", 50, reason="", actor="ann")
    channels.clear(database, TRIAGE, "shadow", reason="", actor="ann")
    for name in ("clinic", "firm", "gone", "forgotten"):
        tenants.add_tenant(database, name, ["healthcare"], actor="ann")
        channels.pin(database, name, TRIAGE.release(2), reason="", actor="ann")
    channels.unpin(database, "firm", TRIAGE, reason="", actor="ann")
    tenants.remove_tenant(database, "gone", actor="ann")
    keys.add_key(database, KeyRequest("forgotten", Role.VIEWER), actor="ann")
    tenants.remove_tenant(database, "forgotten", actor="ann")
    forget_tenant(database, "forgotten", actor="ann")
    key, _ = keys.add_key(database, KeyRequest("bob", Role.VIEWER), actor="ann")
    _, new, _ = keys.rotate_key(database, key.id, timedelta(hours=1), actor="ann")
    keys.revoke_key(database, new.id, actor="ann")
    set_default(database, NOTES, reason="", actor="ann")
    require(database, "healthcare", [key_pair(tmp_path, "ours").pem], reason="", actor="ann")
    tenants.refuse_tenant(database, "firm", reason="an incident", actor="ann")
    tenants.refuse_tenant(database, "clinic", reason="an incident", actor="ann")
    tenants.admit_tenant(database, "clinic", reason="", actor="ann")
    yank(database, TRIAGE.release(2), reason="harmful", actor="ann")
    unyank(database, TRIAGE.release(2), reason="", actor="ann")
    yank(database, TRIAGE.release(2), reason="harmful", actor="ann")
    freeze(database, "healthcare", reason="an incident", actor="ann")
    unfreeze(database, "healthcare", reason="", actor="ann")
    freeze(database, "healthcare", reason="an incident", actor="ann")
    retire_adapter(database, NOTES, reason="", actor="ann")
    for name in ("told", "removed"):
        add_webhook(database, name, "https://example.com/path", ["healthcare"], actor="ann")
    rotate_secret(database, "told", timedelta(hours=1), actor="ann")
    remove_webhook(database, "removed", actor="ann")
    set_sources(database, "healthcare", ["hf://org/name"], reason="", actor="ann")
    set_quotas(database, "healthcare", DomainQuotas(releases=9), reason="", actor="ann")
    return database


def run(database: Database, statement: str) -> None:
    """What somebody with the database's password does."""
    with database.engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount > 0


def test_a_registry_that_nobody_touched_is_as_its_events_say(used: Database) -> None:
    report = audit.verify(used)
    assert (report.first_break, report.differences, report.has_head) == (None, [], None)
    assert report.events == audit.head(used).sequence > 20


CHANGED = {
    "UPDATE release SET yanked_at = NULL": ["healthcare/triage@2 is not yanked, and the log says the opposite"],
    "UPDATE domain SET frozen_at = NULL": ["domain healthcare is not frozen, and the log says the opposite"],
    "UPDATE tenant SET refused_at = created_at WHERE name = 'clinic'": [
        "tenant clinic is refused, and the log says the opposite"
    ],
    "UPDATE domain SET sources = '[\"hf://evil/*\"]'": ["the sources of healthcare are not those that the log says"],
    "UPDATE domain SET quotas = '{}'": ["the quotas of healthcare are not those that the log says"],
    "UPDATE webhook SET url = 'https://evil.example/path'": [
        "the host of webhook told is not the one that it was added with"
    ],
    "UPDATE webhook SET allow_private = true, domains = '[\"legal\"]'": [
        "the domains of webhook told is not the one that it was added with",
        "the allow private of webhook told is not the one that it was added with",
    ],
    "UPDATE channel SET number = 2 WHERE name = 'stable'": [
        "stable of healthcare/triage points to release 2, and the log says release 1"
    ],
    "UPDATE channel SET weight = 100 WHERE name = 'canary'": [
        "canary of healthcare/triage has 100 per cent, and the log says 5"
    ],
    "UPDATE channel SET number = 3 WHERE name = 'shadow'": [
        "shadow of healthcare/triage points to release 3, and the log says no release"
    ],
    "UPDATE domain SET default_adapter = 'triage'": [
        "the default adapter of healthcare is triage, and the log says notes"
    ],
    "UPDATE pin SET number = 3": ["clinic is pinned to healthcare/triage@3, and the log says release 2"],
    "UPDATE tenant SET name = 'evil' WHERE name = 'firm'": [
        "tenant evil exists, and no event says so",
        "tenant firm was added, and does not exist",
    ],
    """UPDATE release SET policy = '{"system_prompt": "lie"}' WHERE number = 1 AND adapter = 'triage'""": [
        "the policy of healthcare/triage@1 is not the one that its digest was made of"
    ],
    "UPDATE release SET policy_digest = 'sha256:0', artifact = 'sha256:0' WHERE number = 2": [
        "the policy digest of healthcare/triage@2 is not the one that was published",
        "the artifact of healthcare/triage@2 is not the one that was published",
    ],
    """UPDATE release SET calibration = '{"temperature": 9}' WHERE number = 3""": [
        "the calibration of healthcare/triage@3 is not the one that was published"
    ],
    "UPDATE key SET role = 'admin' WHERE owner = 'bob' AND revoked_at IS NULL": [
        "of bob is not the one that it was added with"
    ],
    "UPDATE key SET revoked_at = NULL": ["in force, and the log says that it was revoked"],
    "UPDATE key SET id = '0123456789ab' WHERE owner = 'firm'": [
        "key 0123456789ab of firm exists, and no event says so",
        "of firm was added, and does not exist",
    ],
}
GONE = {
    "UPDATE webhook SET name = 'evil'": [
        "webhook evil exists, and no event says so",
        "webhook told was added, and does not exist",
    ],
    "DELETE FROM channel WHERE name = 'stable'": [
        "stable of healthcare/triage points to no release, and the log says release 1"
    ],
    "DELETE FROM domain": ["the default adapter of healthcare is none, and the log says notes"],
    "DELETE FROM pin": ["clinic is not pinned to healthcare/triage, and the log says release 2"],
    "UPDATE release SET number = 9 WHERE number = 2": [
        "release healthcare/triage@9 exists, and no event says so",
        "release healthcare/triage@2 was published, and does not exist",
    ],
    "DELETE FROM key WHERE owner = 'firm'": ["of firm was added, and does not exist"],
    "DELETE FROM signingkey": ["the signing keys of healthcare are not those that the log says"],
}


@pytest.mark.parametrize("changes", [CHANGED, GONE], ids=["changed", "gone"])
def test_a_change_of_the_tables_behind_the_log_is_named(used: Database, changes: dict[str, list[str]]) -> None:
    for statement in changes:
        run(used, statement)
    report = audit.verify(used)
    assert report.first_break is None
    for difference in itertools.chain(*changes.values()):
        assert any(difference in one for one in report.differences), (difference, report.differences)


ODD = [
    *("null", "[]", "[1]", '"tenant"', "0", "1.5", "true", "{}"),
    '{"tenant": [], "key": {}, "keys": [1, null, "a", []], "weight": "x", "artifact": [], "role": 1}',
    '{"tenant": null, "key": 1, "keys": {"a": 1}, "weight": {}, "policy_digest": {}, "owner": []}',
    '{"tenant": "", "key": "", "keys": null, "weight": 1' + "0" * 400 + "}",
    '{"key": "0123456789ab", "tenant": "clinic", "keys": "abc", "weight": -1, "domains": 1}',
]


def test_details_of_any_kind_break_the_chain_and_not_its_verification(used: Database) -> None:
    for odd in ODD:
        with used.engine.begin() as connection:
            changed = text("UPDATE event SET details = :odd").bindparams(bindparam("odd", json.loads(odd), JSON))
            connection.execute(changed)
        report = audit.verify(used)
        assert report.first_break == 1, odd
        differences = set(report.differences)
        if '"tenant": "clinic"' not in odd:
            assert "clinic is pinned to healthcare/triage@2, and the log says no release" in differences
        assert "the signing keys of healthcare are not those that the log says" in differences
        assert any("of bob exists, and no event says so" in one for one in differences)


def test_an_event_before_the_first_one_is_found(used: Database) -> None:
    kept = audit.head(used)
    run(used, f"UPDATE event SET sequence = -5 WHERE sequence = {kept.sequence}")
    report = audit.verify(used, kept)
    assert (report.events, report.first_break, report.has_head) == (kept.sequence, 1, False)


def test_a_policy_with_numbers_that_json_does_not_have_is_named(registry: Registry, publish: Publish) -> None:
    if registry.database.engine.dialect.name == "postgresql":
        pytest.skip("PostgreSQL refuses such JSON")
    publish()
    run(registry.database, """UPDATE release SET policy = '{"temperature": NaN}'""")
    differences = audit.verify(registry.database).differences
    assert differences == ["the policy of healthcare/triage@1 is not the one that its digest was made of"]


def test_a_key_from_before_the_log_had_their_ids_is_no_difference(used: Database) -> None:
    run(used, "UPDATE key SET salt = '', id = '0123456789ab' WHERE owner = 'firm'")
    assert [one for one in audit.verify(used).differences if "0123456789ab" in one] == []


def test_a_publish_from_before_digests_were_logged_says_nothing_of_them(used: Database) -> None:
    run(used, "UPDATE event SET details = '{}' WHERE action = 'publish'")
    run(used, "UPDATE release SET artifact = 'sha256:0' WHERE number = 2")
    report = audit.verify(used)
    assert (report.first_break, report.differences) == (1, [])


def test_a_cut_tail_is_found_by_a_head_that_was_kept(used: Database) -> None:
    kept = audit.head(used)
    assert audit.verify(used, kept).has_head is True
    keys.add_key(used, KeyRequest("eve", Role.VIEWER), actor="ann")
    assert audit.verify(used, kept).has_head is True, "it grew since"
    run(used, f"DELETE FROM event WHERE sequence >= {kept.sequence}")
    report = audit.verify(used, kept)
    assert (report.first_break, report.has_head) == (None, False)


def test_a_cut_tail_is_found_without_a_head_where_it_had_moved_something(used: Database) -> None:
    run(used, "DELETE FROM event WHERE sequence > 6")
    report = audit.verify(used)
    assert report.first_break is None
    assert "canary of healthcare/triage points to release 3, and the log says no release" in report.differences


def test_a_log_that_was_written_again_has_not_the_head_that_was_kept(used: Database) -> None:
    kept = audit.head(used)
    assert audit.verify(used, Head(kept.sequence, "0" * 64)).has_head is False
    assert audit.verify(used, Head(kept.sequence + 1, kept.hash)).has_head is False


def test_an_empty_log_has_a_head_too(database: Database) -> None:
    assert audit.head(database) == Head(0, GENESIS)
    assert audit.verify(database, audit.head(database)) == audit.Report(0, None, [], True)
    assert audit.verify(database, Head(1, GENESIS)).has_head is False


def test_a_long_log_is_read_in_chunks(used: Database) -> None:
    whole = audit.verify(used, audit.head(used))
    for chunk in (1, 2, 7):
        assert audit.verify(used, audit.head(used), chunk=chunk) == whole


def test_a_policy_that_was_written_over_is_not_published_again(registry: Registry, publish: Publish) -> None:
    publish(policy=parse_policy("system_prompt: Sort."))
    run(registry.database, """UPDATE release SET policy = '{"system_prompt": "lie"}'""")
    with pytest.raises(PolicyError, match="is not what was published; compare it with a backup"):
        publish(seed=1)
