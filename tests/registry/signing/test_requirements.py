"""Domains that take signed adapters only: at publish, before a load, and while keys are changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlmodel import Session

from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.db.database import Database
from postil.registry.db.tables import Release
from postil.registry.defaults import SIGNATURE
from postil.registry.errors import ConflictError, SignatureError
from postil.registry.names import AdapterName, parse_adapter
from postil.registry.releases import channels, history
from postil.registry.releases.service import Registry
from postil.registry.signing import requirements as signatures
from postil.registry.signing.bundles import read_public_key, sign
from postil.registry.signing.requirements import (
    MAX_KEYS,
    SignatureGate,
    check_unsigned,
    require,
    requirement,
    requirements,
    signature_of,
)
from tests.fakes.adapters import write_adapter
from tests.fakes.signing import KeyPair, key_pair, resigned

TRIAGE = AdapterName("healthcare", "triage")
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def ours(tmp_path: Path) -> KeyPair:
    """The key that the domain accepts."""
    return key_pair(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> KeyPair:
    """A key that it does not."""
    return key_pair(tmp_path, "theirs")


def publish(
    registry: Registry,
    *,
    bundle: bytes | None = None,
    key: KeyPair | None = None,
    seed: int = 0,
    name: str = "healthcare/triage",
) -> Release:
    """Publish an adapter with this signature, or signed with this key."""
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter", seed=seed)
        bundle = sign(made, key.private) if key else bundle
        if bundle is not None:
            (made / SIGNATURE).write_bytes(bundle)
        release, _ = registry.publish(made, parse_adapter(name), None, note="", actor="ann")
    return release


def demand(registry: Registry, *keys: KeyPair) -> None:
    """Accept these keys from now on."""
    require(registry.database, "healthcare", [key.pem for key in keys], reason="", actor="ann")


def cleared(registry: Registry, release: Release) -> str:
    """Why a release may not be loaded; empty if it may."""
    try:
        SignatureGate(lambda: registry.database).check(release.domain, release.artifact)
    except SignatureError as error:
        return str(error)
    return ""


def actions(registry: Registry) -> list[str]:
    """What the log says was done; that it is whole is checked."""
    events = history.log(registry.database)
    assert first_break(events) is None
    return [event.action for event in events]


def test_without_a_requirement_everything_is_taken_and_a_signature_kept(registry: Registry, ours: KeyPair) -> None:
    release = publish(registry, key=ours)
    assert cleared(registry, release) == ""
    kept = signature_of(registry.database, "healthcare", release.artifact)
    assert kept is not None
    assert sorted(path.name for path in registry.artifacts.verified_path(release.artifact).iterdir()) == [
        "adapter_config.json", WEIGHTS,
    ]  # fmt: skip
    assert actions(registry) == ["publish", "sign"]


def test_a_signature_is_no_part_of_the_adapter(registry: Registry, ours: KeyPair, theirs: KeyPair) -> None:
    found = [publish(registry), publish(registry, key=ours), publish(registry, key=theirs)]
    assert {release.number for release in found} == {1}
    assert actions(registry) == ["publish", "sign", "sign"]


@pytest.mark.parametrize("how", ["none", "another key", "other files", "forged", "no bundle", "too long", "no text"])
def test_what_is_not_signed_as_required_is_refused_and_nothing_has_changed(
    registry: Registry, ours: KeyPair, theirs: KeyPair, tmp_path: Path, how: str
) -> None:
    demand(registry, ours)
    before = actions(registry)
    good, other = write_adapter(tmp_path / "good"), write_adapter(tmp_path / "other", seed=7)
    weights = hashlib.sha256((good / WEIGHTS).read_bytes()).hexdigest()
    bundles: dict[str, tuple[bytes | None, str]] = {
        "none": (None, "takes signed adapters only, and this one has no signature"),
        "another key": (sign(good, theirs.private), "made with none of the keys that healthcare accepts"),
        "other files": (sign(other, ours.private), "is one of other files than these"),
        "forged": (resigned(sign(other, ours.private), WEIGHTS, weights), "made with none of the keys"),
        "no bundle": (b'{"x": 1}', "made with none of the keys"),
        "too long": (b"x" * (64 * 1024 + 1), "model.sig is no signature"),
        "no text": (b"\xff\xfe", "model.sig is no signature"),
    }
    bundle, says = bundles[how]
    with pytest.raises(SignatureError) as caught:
        publish(registry, bundle=bundle)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert registry.artifacts.sizes() == {}
    assert registry.adapters() == []
    assert actions(registry) == before


def test_what_is_signed_as_required_is_taken_and_may_be_loaded(registry: Registry, ours: KeyPair) -> None:
    demand(registry, ours)
    assert cleared(registry, publish(registry, key=ours)) == ""
    assert actions(registry) == ["signature-require", "publish", "sign"]


def test_a_key_that_is_accepted_no_more_is_worth_nothing(registry: Registry, ours: KeyPair, theirs: KeyPair) -> None:
    demand(registry, ours)
    old = publish(registry, key=ours)
    demand(registry, ours, theirs)
    assert cleared(registry, old) == ""
    new = publish(registry, key=theirs, seed=1)
    demand(registry, theirs)
    assert "made with none of the keys" in cleared(registry, old)
    assert cleared(registry, new) == ""
    with pytest.raises(SignatureError):
        publish(registry, key=ours, seed=2)
    # The same adapter, signed again, is the same release, and may be loaded again.
    assert publish(registry, key=theirs).number == old.number
    assert cleared(registry, old) == ""
    demand(registry)
    assert cleared(registry, publish(registry, seed=3)) == ""


def test_what_was_published_before_the_requirement_is_named_and_not_loaded_again(
    registry: Registry, ours: KeyPair
) -> None:
    unsigned, signed = publish(registry), publish(registry, key=ours, seed=1)
    registry.promote(TRIAGE.release(unsigned.number), reason="", actor="ann")
    channels.point(registry.database, TRIAGE.release(signed.number), "canary", 10, reason="", actor="ann")
    demand(registry, ours)
    assert "has no signature" in cleared(registry, unsigned)
    assert cleared(registry, signed) == ""
    assert [str(ref) for ref in requirement(registry.database, "healthcare").unsigned] == ["healthcare/triage@1"]
    publish(registry, key=ours)
    assert requirement(registry.database, "healthcare").unsigned == []
    assert cleared(registry, unsigned) == ""


def test_domains_do_not_vouch_for_each_other(registry: Registry, ours: KeyPair, theirs: KeyPair) -> None:
    publish(registry, key=theirs, name="legal/triage")
    release = publish(registry)
    demand(registry, ours)
    assert cleared(registry, release) == (
        "the signature was made with none of the keys that healthcare accepts; sign it with"
        " `postil publish FOLDER --sign KEY`"
    )
    # Who has an accepted key signed these files, wherever that was published.
    publish(registry, key=ours, name="legal/triage")
    assert cleared(registry, release) == ""
    assert signature_of(registry.database, "healthcare", release.artifact) is None
    found = {one.domain: len(one.keys) for one in requirements(registry.database)}
    assert found == {"healthcare": 1, "legal": 0}


def test_keys_are_changed_once_and_written_down(registry: Registry, ours: KeyPair, tmp_path: Path) -> None:
    demand(registry, ours, ours)
    with pytest.raises(ConflictError):
        demand(registry, ours)
    with pytest.raises(SignatureError, match="8 at most"):
        demand(registry, *[ours] * (MAX_KEYS + 1))
    with pytest.raises(SignatureError, match="that is a private key"):
        require(registry.database, "healthcare", [ours.private.read_text()], reason="", actor="ann")
    demand(registry)
    with registry.database.read() as session:
        events = store.events(session, "healthcare")
    fingerprint = read_public_key(ours.pem).fingerprint
    assert [event.details for event in events] == [
        {"keys": [fingerprint], "before": []}, {"keys": [], "before": [fingerprint]},
    ]  # fmt: skip
    assert {(event.actor, event.action) for event in events} == {("ann", "signature-require")}


def test_keys_that_change_while_somebody_publishes_win(registry: Registry, ours: KeyPair) -> None:
    release = publish(registry)
    vetted = signatures.verify_required(registry.database, "healthcare", release.artifact, None)
    demand(registry, ours)
    with (
        pytest.raises(ConflictError, match="changed meanwhile"),
        registry.database.write() as session,
    ):
        signatures.store_signature(session, release, vetted, actor="ann")


def test_signatures_do_not_pile_up(registry: Registry, tmp_path: Path) -> None:
    for number in range(16):
        publish(registry, bundle=b"%d" % number)
    with pytest.raises(SignatureError, match="has 16 signatures already"):
        publish(registry, bundle=b"another")
    publish(registry, bundle=b"3")


def test_a_link_is_no_signature(registry: Registry, tmp_path: Path, ours: KeyPair) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / SIGNATURE).symlink_to(ours.private)
    assert signatures.take_signature(tmp_path / "folder") is None


def gone(folder: Path) -> Database:
    """A database that is away."""
    return Database(f"sqlite:///{folder / 'nowhere' / 'gone.db'}")


def test_a_database_that_is_away_holds_up_only_who_needs_a_signature(
    registry: Registry, ours: KeyPair, tmp_path: Path
) -> None:
    demand(registry, ours)
    signed, free = publish(registry, key=ours), publish(registry, name="legal/triage")
    now = [registry.database]
    signature_gate = SignatureGate(lambda: now[-1])
    signature_gate.check("healthcare", signed.artifact)
    signature_gate.check("legal", free.artifact)
    now.append(gone(tmp_path))
    signature_gate.check("legal", free.artifact)
    for domain, release in (("healthcare", signed), ("finance", free)):
        with pytest.raises(SignatureError, match="while the registry's database does not answer"):
            signature_gate.check(domain, release.artifact)


def test_a_domain_that_was_free_is_not_taken_on_trust_once_it_was_told_to_require_signatures(
    registry: Registry, ours: KeyPair, tmp_path: Path
) -> None:
    unsigned, other = publish(registry), publish(registry, name="legal/triage")
    now = [registry.database]
    signature_gate = SignatureGate(lambda: now[-1])
    signature_gate.check("healthcare", unsigned.artifact)
    signature_gate.check("legal", other.artifact)
    demand(registry, ours)
    assert signature_gate.forget(["healthcare", "finance"]) == ["healthcare"]
    signature_gate.recheck(["healthcare"])
    now.append(gone(tmp_path))
    with pytest.raises(SignatureError, match="while the registry's database does not answer"):
        signature_gate.check("healthcare", unsigned.artifact)
    signature_gate.check("legal", other.artifact)


def test_a_domain_that_still_needs_no_signature_is_trusted_again(registry: Registry, tmp_path: Path) -> None:
    release = publish(registry)
    now = [registry.database]
    signature_gate = SignatureGate(lambda: now[-1])
    signature_gate.check("healthcare", release.artifact)
    signature_gate.recheck(signature_gate.forget(["healthcare"]))
    now.append(gone(tmp_path))
    signature_gate.check("healthcare", release.artifact)


def test_a_check_that_read_before_a_change_leaves_no_trust_behind(
    registry: Registry, ours: KeyPair, tmp_path: Path
) -> None:
    release = publish(registry)
    signature_gate: SignatureGate

    class Slow(Database):
        """Keys are set after a check has read that there are none, and before it has done anything with that."""

        @contextmanager
        def read(self) -> Iterator[Session]:
            with registry.database.read() as session:
                yield session
            demand(registry, ours)
            signature_gate.forget(["healthcare"])

    now: list[Database] = [Slow("sqlite://")]
    signature_gate = SignatureGate(lambda: now[-1])
    signature_gate.check("healthcare", release.artifact)
    now.append(gone(tmp_path))
    with pytest.raises(SignatureError, match="does not answer"):
        signature_gate.check("healthcare", release.artifact)


def test_a_domain_that_takes_signed_adapters_only_has_none_made_by_jobs(registry: Registry, ours: KeyPair) -> None:
    check_unsigned(registry.database, "healthcare")
    require(registry.database, "healthcare", [ours.pem], reason="", actor="ann")
    with pytest.raises(SignatureError, match="sign and publish it"):
        check_unsigned(registry.database, "healthcare")
