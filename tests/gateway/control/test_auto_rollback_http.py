"""A release that is worse than its predecessor is rolled back automatically, and one that is not stays."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from postil.gateway.control.analysis.comparison import Evidence
from postil.gateway.control.analysis.monitor import Regression
from postil.gateway.engine.supervisor import Phase
from postil.registry.releases.channels import CANARY, STABLE
from tests.fakes.vllm import FakeVLLM
from tests.gateway.channel_acts import canary, inside, move, opened, ref, served, spoil, state, traffic
from tests.gateway.conftest import House, running_house, until

RECORDED = range(150)
FINDING = Evidence("validator failures", 1, 100, 30, 40, 1234.5, 400.0)


@pytest.fixture
async def clinic(house: House) -> str:
    """Two releases, the first live, and a tenant."""
    return await opened(house)


async def test_a_bad_canary_is_gone_by_itself_and_the_log_says_why(house: House, clinic: str) -> None:
    await canary(house, 2)
    spoil(house, 2)
    for beginning in range(0, 2000, 50):
        await traffic(house, clinic, range(beginning, beginning + 50))
        if served(house) == (1, None):
            break
    await until(lambda: served(house) == (1, None))
    assert set(await traffic(house, clinic, range(2000, 2100))) == {"healthcare/triage@1"}
    event = (await state(house))["events"][-1]
    assert (event["action"], event["actor"], event["from"], event["to"]) == ("canary-end", "postil", 2, None)
    finding = event["details"].pop("finding")
    assert event["details"] == {"weight": 20}
    assert finding["signal"] == "validator failures"
    assert finding["candidate_failures"] == finding["candidate_total"] > 0 == finding["baseline_failures"]
    assert finding["e_value"] >= finding["threshold"]
    assert event["reason"].startswith("healthcare/triage@2 is worse than healthcare/triage@1: validator failures: ")
    assert f"{finding['candidate_failures']} of {finding['candidate_total']} against 0 of" in event["reason"]
    assert (await house.admin("GET", "/api/v1/audit")).json()["first_break"] is None
    assert (await house.admin("GET", "/api/v1/status")).json()["comparisons"] == []
    yank = {row["number"]: row["yanked"] for row in (await state(house))["releases"]}[2]
    assert (yank["actor"], yank["reason"]) == ("postil", event["reason"])


async def test_a_fresh_stable_that_is_bad_goes_back_to_its_predecessor(house: House, clinic: str) -> None:
    await traffic(house, clinic, RECORDED)
    await move(house, "promote", 2)
    spoil(house, 2)
    await traffic(house, clinic, range(50))
    await until(lambda: served(house) == (1, None))
    assert set(await traffic(house, clinic, range(20))) == {"healthcare/triage@1"}
    event = (await state(house))["events"][-1]
    assert (event["action"], event["actor"], event["from"], event["to"]) == ("rollback", "postil", 2, 1)
    assert event["details"]["finding"]["signal"] == "validator failures"


async def test_a_good_release_stays_first_as_canary_and_then_as_stable(house: House, clinic: str) -> None:
    await canary(house, 2, 50)
    assert set(await traffic(house, clinic, range(300))) == {"healthcare/triage@1", "healthcare/triage@2"}
    (watch,) = (await house.admin("GET", "/api/v1/status")).json()["comparisons"]
    assert (watch["candidate"], watch["baseline"], watch["channel"]) == (
        "healthcare/triage@2",
        "healthcare/triage@1",
        "canary",
    )
    assert sum(watch["evidence"][0][field] for field in ("candidate_total", "baseline_total")) == 300
    await move(house, "promote", 2)
    await traffic(house, clinic, range(300))
    found = await state(house)
    assert (found["live"], found["canary"]) == (2, None)
    assert "postil" not in {event["actor"] for event in found["events"]}


async def test_a_canary_that_cannot_be_loaded_is_gone_by_itself_too(house: House, clinic: str) -> None:
    await canary(house, 2, 30)
    house.runtime.engine.ready()[1].evict(inside(house, 2))
    house.engine.adapters.pop(inside(house, 2))
    house.engine.refuse_load = "no place left"
    for beginning in range(0, 2000, 50):
        assert set(await traffic(house, clinic, range(beginning, beginning + 50))) == {"healthcare/triage@1"}
        if served(house) == (1, None):
            break
    event = (await state(house))["events"][-1]
    assert (event["action"], event["actor"]) == ("canary-end", "postil")
    assert event["details"]["finding"]["signal"] == "engine errors"


async def test_turned_off_it_leaves_the_release_and_says_so_in_its_log(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("POSTIL_AUTO_ROLLBACK", "false")
    async with running_house(tmp_path, *engine_at) as house:
        key = await opened(house)
        await canary(house, 2, 50)
        spoil(house, 2)
        await traffic(house, key, range(200))
        await until(lambda: any("is worse than healthcare/triage@1" in line for line in caplog.messages))
        await traffic(house, key, range(200))
        assert served(house) == (1, 2)
        assert "postil" not in {event["actor"] for event in (await state(house))["events"]}
    assert sum("is worse than" in line for line in caplog.messages) == 1


async def test_a_rollback_by_hand_is_not_taken_back(house: House, clinic: str) -> None:
    await move(house, "promote", 2)
    await traffic(house, clinic, RECORDED)
    await move(house, "rollback", 1)
    spoil(house, 1)
    await traffic(house, clinic, range(100))
    assert served(house) == (1, None)
    assert house.runtime.monitor.watch("healthcare/triage") is None


async def test_a_rollback_by_hand_to_a_higher_number_is_not_taken_back_either(house: House, clinic: str) -> None:
    for number in (2, 1):
        await move(house, "promote", number)
    await traffic(house, clinic, RECORDED)
    await move(house, "rollback", 2)
    spoil(house, 2)
    await traffic(house, clinic, range(100))
    assert served(house) == (2, None)
    assert house.runtime.monitor.watch("healthcare/triage") is None


async def test_an_older_release_that_is_promoted_is_watched_like_a_new_one(house: House, clinic: str) -> None:
    await move(house, "promote", 2)
    await traffic(house, clinic, RECORDED)
    await move(house, "promote", 1)
    spoil(house, 1)
    await traffic(house, clinic, range(50))
    await until(lambda: served(house) == (2, None))


async def test_who_moved_the_canary_meanwhile_is_not_overridden(
    house: House, clinic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await house.publish("healthcare/triage", seed=2, live=False)
    await canary(house, 3)
    house.runtime.rollback_causes.put_nowait(Regression(CANARY, ref(2), ref(1), FINDING))
    await until(lambda: any("could not be rolled back" in line for line in caplog.messages))
    assert served(house) == (1, 3)
    assert (await state(house))["events"][-1]["action"] == "canary"


async def test_who_promoted_meanwhile_is_not_overridden(
    house: House, clinic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await house.publish("healthcare/triage", seed=2)
    house.runtime.rollback_causes.put_nowait(Regression(STABLE, ref(2), ref(1), FINDING))
    await until(lambda: any("could not be rolled back" in line for line in caplog.messages))
    assert served(house) == (3, None)


async def test_a_database_that_fails_does_not_end_the_watch(
    house: House, clinic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await canary(house, 2)
    database = house.runtime.registry.database()
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE event RENAME TO hidden"))
    house.runtime.rollback_causes.put_nowait(Regression(CANARY, ref(2), ref(1), FINDING))
    await until(lambda: any("background task automatic rollback failed" in line for line in caplog.messages))
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO event"))
    house.runtime.rollback_causes.put_nowait(Regression(CANARY, ref(2), ref(1), FINDING))
    await until(lambda: served(house) == (1, None))


async def test_what_cannot_be_taken_back_while_the_engine_is_down_is_taken_back_when_it_is_up(
    house: House, clinic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await move(house, "promote", 2)
    house.engine.healthy = False
    await until(lambda: house.runtime.engine.phase is Phase.DOWN)
    house.runtime.rollback_causes.put_nowait(Regression(STABLE, ref(2), ref(1), FINDING))
    await until(lambda: any("cannot roll back yet" in line for line in caplog.messages))
    house.engine.healthy = True
    await until(lambda: served(house) == (1, None))
    assert (await house.ask(clinic)).headers["x-postil-release"] == "healthcare/triage@1"


async def test_what_cannot_be_taken_back_while_all_threads_are_busy_is_taken_back_when_they_are_not(
    house: House, clinic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await canary(house, 2)
    gate, threads = threading.Event(), house.runtime.pools.catalog
    # More of the domain than may wait: what comes is refused at once.
    work = [asyncio.create_task(threads.run("healthcare", str(number), gate.wait)) for number in range(600)]
    house.runtime.rollback_causes.put_nowait(Regression(CANARY, ref(2), ref(1), FINDING))
    await until(lambda: any("cannot roll back yet" in line for line in caplog.messages))
    gate.set()
    await until(lambda: served(house) == (1, None))
    await asyncio.gather(*work, return_exceptions=True)


async def test_a_bad_canary_under_many_requests_at_once_fails_none_of_them(house: House, clinic: str) -> None:
    await canary(house, 2)
    spoil(house, 2)
    parts = [traffic(house, clinic, range(part, 1600, 16)) for part in range(16)]
    answered = [release for part in await asyncio.gather(*parts) for release in part]
    assert set(answered) == {"healthcare/triage@1", "healthcare/triage@2"}
    await until(lambda: served(house) == (1, None))
    ends = [event for event in (await state(house))["events"] if event["actor"] == "postil"]
    assert [event["action"] for event in ends] == ["yank", "canary-end"]
