"""How long sessions last, how many there are, and how often one may try."""

from __future__ import annotations

from postil.gateway.api.console.sessions import Attempts, Sessions


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_when_it_is_idle_and_some_time_after_its_login_whatever_happens() -> None:
    clock = Clock()
    sessions = Sessions(60, 150, clock)
    one = sessions.open("a key")
    for _ in range(2):
        clock.now += 59
        assert sessions.find(one) is not None
    clock.now += 59
    assert sessions.find(one) is None
    other = sessions.open("a key")
    clock.now += 60
    assert sessions.find(other) is None


def test_an_id_is_long_and_never_the_same() -> None:
    sessions = Sessions(60, 60)
    found = {sessions.open("a key") for _ in range(10)}
    assert {len(one) for one in found} == {43}
    assert len(found) == 10


def test_what_is_no_id_finds_nothing() -> None:
    sessions = Sessions(60, 60)
    sessions.open("a key")
    assert [sessions.find(text) for text in ("", "x", "\udc80", "x" * 5000)] == [None] * 4


def test_a_key_has_so_many_sessions_and_its_logins_end_nobody_elses() -> None:
    sessions = Sessions(60, 60)
    kept, first = sessions.open("another key"), sessions.open("a key")
    for _ in range(20):
        last = sessions.open("a key")
    assert [sessions.find(one) is not None for one in (kept, first, last)] == [True, False, True]


def test_all_keys_together_have_so_many_and_ended_ones_go_first() -> None:
    clock = Clock()
    sessions = Sessions(60, 600, clock)
    first = sessions.open("key 0")
    for number in range(1, 1001):
        last = sessions.open(f"key {number}")
    assert [sessions.find(one) is not None for one in (first, last)] == [False, True]
    clock.now += 59
    assert sessions.find(last) is not None
    clock.now += 59
    sessions.open("one more")
    assert sessions.find(last) is not None


def test_an_address_may_try_again_after_a_minute() -> None:
    clock = Clock()
    failed = Attempts(clock)
    for _ in range(10):
        assert failed.wait("here") == 0
        failed.note("here")
    assert 0 < failed.wait("here") <= 61
    assert failed.wait("there") == 0
    clock.now += 61
    assert failed.wait("here") == 0


def test_of_many_addresses_the_oldest_are_forgotten() -> None:
    failed = Attempts()
    for _ in range(10):
        failed.note("first")
    for number in range(4096):
        failed.note(str(number))
    assert failed.wait("first") == 0
