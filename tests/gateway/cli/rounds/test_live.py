"""What a round takes from the gateway: the files of the job that made the live release, and the release's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.cli.api_client import connected
from postil.gateway.cli.rounds.live import LiveRelease, fetched, job_files, live_release
from postil.registry.names import parse_adapter
from tests.gateway.conftest import House
from tests.gateway.control.jobs.work import speaking, uploaded
from tests.registry.jobs.data import chats, text

NAME = parse_adapter("healthcare/triage")
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def reached(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A gateway that commands find."""
    monkeypatch.setenv("POSTIL_URL", house.url)
    monkeypatch.setenv("POSTIL_KEY", house.admin_key)
    return house


def made_by(job: dict[str, Any] | None) -> LiveRelease:
    return LiveRelease(NAME, 1, {"artifact": DIGEST, "method": None, "job": job})


async def test_the_files_of_a_job_are_the_rows_of_before(reached: House, tmp_path: Path) -> None:
    async with speaking(reached) as client:
        file = await uploaded(client)
    place = tmp_path / "round" / "job-aaaaaaaaaaaa.jsonl"
    job = {"training_file": {"id": file.id, "digest": DIGEST}, "validation_file": None}
    for _ in range(2):
        found = await asyncio.to_thread(job_files, made_by(job), tmp_path / "round")
        assert found == {"data": (str(place),)}
    assert place.read_text() == text(chats())


def test_without_a_job_or_its_files_nothing_is_known(tmp_path: Path) -> None:
    gone = {"training_file": {"id": "file-1", "digest": None}, "validation_file": None}
    assert [job_files(one, tmp_path) for one in (None, made_by(None), made_by(gone))] == [{}, {}, {}]


async def test_the_live_release_is_fetched_once(reached: House, tmp_path: Path) -> None:
    await reached.publish(str(NAME))

    def act() -> list[Path]:
        with connected() as client:
            live = live_release(client, NAME)
            assert live is not None
            assert (live.release, live.options) == ("healthcare/triage@1", {})
            return [fetched(client, live, tmp_path) for _ in range(2)]

    first, second = await asyncio.to_thread(act)
    assert first == second
    assert (first / "adapter_model.safetensors").is_file()
