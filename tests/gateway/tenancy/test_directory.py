"""From a key to a caller, without a gateway around it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.errors import AuthenticationError, KeyForbiddenError, SettingsError
from postil.gateway.settings import Settings
from postil.gateway.tenancy.directory import Caller, Directory, admin_key
from postil.registry.accounts.keys import KeyRequest, Role, make
from postil.registry.db.tables import Key, Tenant, utcnow

ROOT = "psk-" + "r" * 43
CLINIC = Tenant(name="clinic", domains=["healthcare"], default_domain="healthcare")


def held(*keys: Key, now: float | None = None) -> Directory:
    """A directory of these keys, whose clock stands still."""
    at = utcnow().timestamp() if now is None else now
    return Directory(ROOT, [CLINIC], keys, clock=lambda: at)


def who(directory: Directory, key: str) -> Caller:
    return directory.known(f"Bearer {key}")


def refusal(directory: Directory, key: str) -> str:
    with pytest.raises(AuthenticationError) as caught:
        who(directory, key)
    return str(caught.value)


def test_a_key_names_its_tenant_and_itself() -> None:
    key, text = make(KeyRequest("clinic"))
    caller = held(key).identify(f"Bearer {text}")
    assert caller == Caller(
        "clinic",
        frozenset({"healthcare"}),
        "healthcare",
        owner="clinic",
        key=key.id,
        role=Role.TENANT,
        uid=CLINIC.uid,
        since=CLINIC.created_at.date(),
    )


def test_several_keys_of_a_tenant_are_one_caller_but_for_the_key() -> None:
    made = [make(KeyRequest("clinic")) for _ in range(3)]
    directory = held(*(key for key, _ in made))
    assert {(who(directory, text).name, who(directory, text).key) for _, text in made} == {
        ("clinic", key.id) for key, _ in made
    }


def test_a_key_from_before_is_known_by_the_hash_that_was_kept() -> None:
    digest = hashlib.sha256(b"psk-of-old").hexdigest()
    old = Key(id=digest[:12], owner="clinic", role="tenant", domains=[], prefix="psk-of-o", salt="", hash=digest)
    assert who(held(old), "psk-of-old").name == "clinic"
    refusal(held(old), "psk-of-olf")
    old.revoked_at = utcnow()
    assert "was revoked" in refusal(held(old), "psk-of-old")


def test_the_hash_that_is_kept_is_no_key() -> None:
    key, text = make(KeyRequest("clinic"))
    for tried in (key.hash, f"postil_{key.id}_{key.hash}", f"postil_{key.id}_{key.salt}", f"postil_{key.id}_"):
        refusal(held(key), tried)
    assert who(held(key), text)


@given(st.data())
def test_a_key_of_which_one_character_is_another_is_refused(data: st.DataObject) -> None:
    key, text = make(KeyRequest("clinic"))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=255).filter(lambda each: each != text[at]))
    refusal(held(key), text[:at] + other + text[at + 1 :])


@given(st.text(st.characters(max_codepoint=255), max_size=120))
def test_whatever_is_sent_is_refused_in_one_way(sent: str) -> None:
    key, _ = make(KeyRequest("clinic"))
    with pytest.raises(AuthenticationError):
        held(key).known(sent)
    with pytest.raises(AuthenticationError):
        held(key).known(f"Bearer {sent}")


def test_an_unknown_id_and_a_wrong_secret_are_told_the_same() -> None:
    key, text = make(KeyRequest("clinic"))
    _, other = make(KeyRequest("clinic"))
    wrong = f"postil_{key.id}_{other.split('_', 2)[2]}"
    assert refusal(held(key), wrong) == refusal(held(key), other) == refusal(held(key), "psk-nonsense")
    assert who(held(key), text)


def test_a_key_is_good_until_the_instant_at_which_it_expires() -> None:
    key, text = make(KeyRequest("clinic", lifetime=timedelta(days=1)))
    assert key.expires_at is not None
    end = key.expires_at.timestamp()
    assert who(held(key, now=end - 0.001), text).name == "clinic"
    assert refusal(held(key, now=end), text) == "this API key has expired; ask whoever runs the gateway for another"


@given(st.data())
def test_a_key_that_was_known_before_is_known_again_and_nothing_like_it_is(data: st.DataObject) -> None:
    key, text = make(KeyRequest("clinic"))
    directory = held(key)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=255).filter(lambda each: each != text[at]))
    for _ in range(2):
        assert who(directory, text).key == key.id
        refusal(directory, text[:at] + other + text[at + 1 :])
        with pytest.raises(AuthenticationError):
            directory.known(text)


def test_a_key_that_was_known_before_expires_all_the_same() -> None:
    key, text = make(KeyRequest("clinic", lifetime=timedelta(days=1)))
    assert key.expires_at is not None
    now = [key.expires_at.timestamp() - 1]
    directory = Directory(ROOT, [CLINIC], [key], clock=lambda: now[0])
    assert who(directory, text) is who(directory, text)
    now[0] += 1
    assert "has expired" in refusal(directory, text)


def test_however_many_ways_one_key_is_written_in_few_are_remembered() -> None:
    key, text = make(KeyRequest("clinic"))
    directory = held(key)
    for blanks in range(5000):
        assert directory.known(f"Bearer {' ' * blanks}{text}").key == key.id
    assert len(directory._seen) <= 4096


def test_only_who_has_the_secret_is_told_that_a_key_was_revoked() -> None:
    key, text = make(KeyRequest("clinic"))
    key.revoked_at = utcnow()
    assert "was revoked" in refusal(held(key), text)
    assert "is not known here" in refusal(held(key), text[:-1])


def test_a_removed_tenants_key_is_nobodys() -> None:
    key, text = make(KeyRequest("bank"))
    assert "is not known here" in refusal(held(key), text)


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.REVIEWER, Role.VIEWER])
def test_who_works_on_the_registry_is_no_tenant(role: Role) -> None:
    key, text = make(KeyRequest("ann", role, ["healthcare"] if role is not Role.VIEWER else []))
    directory = held(key)
    assert who(directory, text).owner == "ann"
    assert not directory.knows("ann")
    with pytest.raises(KeyForbiddenError, match=role):
        directory.identify(f"Bearer {text}")


def test_an_admin_that_is_called_like_a_tenant_is_not_taken_for_it() -> None:
    key, text = make(KeyRequest("clinic", Role.ADMIN))
    caller = held(key).identify(f"Bearer {text}")
    assert (caller.name, caller.owner, caller.admin, caller.root) == ("admin", "clinic", True, False)


def test_the_key_file_is_the_root() -> None:
    assert who(held(), ROOT).root
    assert "is not known here" in refusal(held(), ROOT[:-1])


@pytest.mark.parametrize("text", ["", "\n", "admin", "short-enough-to-try"])
def test_a_gateway_does_not_start_with_an_admin_key_that_can_be_guessed(tmp_path: Path, text: str) -> None:
    settings = Settings(home=tmp_path)
    settings.admin_key_file.write_text(text)
    with pytest.raises(SettingsError, match="hard to guess"):
        admin_key(settings)


@pytest.mark.parametrize("text", ["postil_0123456789ab_0123456789abcdef", "postil_x_y0123456789abcdef\n"])
def test_a_gateway_does_not_start_with_an_admin_key_that_would_be_looked_up_as_another(
    tmp_path: Path, text: str
) -> None:
    settings = Settings(home=tmp_path)
    settings.admin_key_file.write_text(text)
    with pytest.raises(SettingsError, match="holds a key as `postil keys` makes them") as caught:
        admin_key(settings)
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("text", ["postil-0123456789abcdef", "postil_0123456789abcdef", "psk-0123_456789_abcdef"])
def test_whatever_key_a_gateway_starts_with_is_the_admins(tmp_path: Path, text: str) -> None:
    settings = Settings(home=tmp_path)
    settings.admin_key_file.write_text(text)
    assert who(Directory(admin_key(settings)), text).root
