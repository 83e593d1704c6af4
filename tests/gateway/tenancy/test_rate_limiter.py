"""Who is let in, and when to come again: on a clock that the test moves."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.errors import RequestsLimitedError, TokensLimitedError
from postil.gateway.tenancy.quota import Quota, quota
from postil.gateway.tenancy.rate_limiter import RateLimiter, duration
from postil.gateway.tenancy.window_counts import WindowCounts
from postil.registry.accounts.limits import TenantLimits

# The beginning of a day, and of a minute with it.
MIDNIGHT = 20_000 * 86_400.0


class House:
    """A limiter with a clock, for one tenant."""

    def __init__(self, **limits: int) -> None:
        self.now = MIDNIGHT
        self.counts = WindowCounts(lambda: self.now)
        self.limiter = RateLimiter(self.counts)
        self.quota = made("clinic", **limits)

    def ask(self) -> bool:
        """One request that ends at once; whether it was let in."""
        try:
            self.limiter.admit(self.quota)
        except (RequestsLimitedError, TokensLimitedError):
            return False
        self.limiter.left(self.quota)
        return True

    def refused(self) -> RequestsLimitedError | TokensLimitedError:
        """How a request is refused."""
        with pytest.raises((RequestsLimitedError, TokensLimitedError)) as caught:
            self.limiter.admit(self.quota)
        assert isinstance(caught.value, RequestsLimitedError | TokensLimitedError)
        return caught.value


def made(name: str, **limits: int) -> Quota:
    """A quota that is one."""
    found = quota(name, TenantLimits(**limits))
    assert found is not None
    return found


def test_without_limits_nothing_is_counted_and_nothing_said() -> None:
    house = House(concurrent=1)
    assert quota("clinic", TenantLimits()) is None
    assert [house.limiter.admit(None) for _ in range(3)] == [{}] * 3
    house.limiter.left(None)


def test_so_many_requests_a_minute_get_in_and_the_next_is_told_when() -> None:
    house = House(requests_per_minute=3)
    assert [house.ask() for _ in range(5)] == [True] * 3 + [False] * 2
    error = house.refused()
    assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
    assert str(error) == "3 requests per minute are allowed, and they are used; try again in 1m0s"
    assert error.retry_after == 61
    assert error.headers == {
        "x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m0s",
    }  # fmt: skip


def test_a_burst_at_the_turn_of_a_minute_is_not_let_in_twice() -> None:
    house = House(requests_per_minute=10)
    house.now += 59
    assert sum(house.ask() for _ in range(20)) == 10
    house.now += 2
    assert sum(house.ask() for _ in range(20)) == 1
    house.now += 30
    assert sum(house.ask() for _ in range(20)) == 5


def test_headers_say_what_is_left() -> None:
    house = House(requests_per_minute=60, tokens_per_minute=1000)
    assert house.limiter.admit(house.quota) == {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "2m0s", "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "1000", "x-ratelimit-reset-tokens": "0s",
    }  # fmt: skip
    house.limiter.spend(house.quota, 400)
    house.now += 90
    headers = house.limiter.admit(house.quota)
    assert headers["x-ratelimit-remaining-tokens"] == "800"
    assert headers["x-ratelimit-reset-tokens"] == "30s"


def test_tokens_are_charged_when_known_and_refuse_what_comes_after() -> None:
    house = House(tokens_per_minute=100)
    house.limiter.admit(house.quota)
    assert house.ask(), "what is not known yet is not charged"
    house.limiter.spend(house.quota, 250)
    error = house.refused()
    assert (error.type, error.retry_after) == ("tokens", 97)
    assert error.headers["x-ratelimit-remaining-tokens"] == "0"
    house.now += 96
    assert not house.ask()
    house.now += 1
    assert house.ask()


def test_of_two_limits_of_tokens_the_nearer_one_is_told() -> None:
    house = House(tokens_per_minute=1000, tokens_per_day=1500)
    assert house.limiter.admit(house.quota)["x-ratelimit-limit-tokens"] == "1000"
    house.limiter.spend(house.quota, 900)
    house.now += 180
    headers = house.limiter.admit(house.quota)
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("1500", "600")
    house.limiter.spend(house.quota, 600)
    house.now += 180
    assert "tokens per day" in str(house.refused())


def test_a_request_that_is_refused_is_not_counted() -> None:
    house = House(requests_per_minute=5, tokens_per_minute=10)
    house.limiter.spend(house.quota, 10)
    assert not any(house.ask() for _ in range(20))
    house.now += 120
    assert sum(house.ask() for _ in range(20)) == 5


def test_so_many_at_a_time() -> None:
    house = House(concurrent=2)
    for _ in range(2):
        house.limiter.admit(house.quota)
    error = house.refused()
    assert (error.type, error.retry_after) == ("requests", 1)
    assert str(error) == "at most 2 requests at a time are allowed; wait for one to end"
    house.limiter.left(house.quota)
    house.limiter.admit(house.quota)
    assert not house.ask()


def test_tenants_are_counted_apart() -> None:
    house = House(requests_per_minute=1, concurrent=1)
    other = made("bank", requests_per_minute=1, concurrent=1)
    house.limiter.admit(house.quota)
    house.limiter.admit(other)
    assert not house.ask()


def test_another_limit_goes_on_with_what_was_counted() -> None:
    house = House(requests_per_minute=10)
    assert sum(house.ask() for _ in range(8)) == 8
    house.quota = made("clinic", requests_per_minute=9)
    assert sum(house.ask() for _ in range(8)) == 1


LIMITS = st.sampled_from(["requests", "tokens"])


@given(LIMITS, st.integers(1, 50), st.lists(st.tuples(st.integers(0, 70), st.integers(1, 90)), max_size=8))
def test_who_comes_when_told_gets_in_and_not_a_second_before(
    what: str, limit: int, past: list[tuple[int, int]]
) -> None:
    house = House(**{f"{what}_per_minute": limit})
    for pause, amount in past:
        house.now += pause
        if what == "tokens":
            house.limiter.spend(house.quota, amount)
        else:
            for _ in range(amount):
                house.ask()
    if house.ask():
        return
    wait = house.refused().retry_after
    assert wait is not None
    began = house.now
    house.now = began + wait - 1
    assert wait == 1 or not house.ask()
    house.now = began + wait + 0.001
    assert house.ask()


@given(st.integers(1, 30), st.lists(st.tuples(st.floats(0, 40), st.integers(1, 40)), max_size=30))
def test_no_window_of_the_clock_ever_holds_more_than_the_limit(limit: int, asked: list[tuple[float, int]]) -> None:
    house, let_in = House(requests_per_minute=limit), dict[int, int]()
    for pause, times in asked:
        house.now += pause
        minute = int(house.now // 60)
        let_in[minute] = let_in.get(minute, 0) + sum(house.ask() for _ in range(times))
    assert all(count <= limit for count in let_in.values())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0171, "1s"), (1, "1s"), (1.5, "2s"), (59.9, "1m0s"), (60, "1m0s"), (360, "6m0s"),
     (86370, "23h59m30s"), (3600, "1h0m0s")],
)  # fmt: skip
def test_how_long_is_written_as_openai_writes_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0, 200_000))
def test_no_duration_is_less_than_what_it_tells_of(seconds: float) -> None:
    units = {"h": 3600, "m": 60, "s": 1}
    told = sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(h|m|s)", duration(seconds)))
    assert seconds <= told <= seconds + 1
