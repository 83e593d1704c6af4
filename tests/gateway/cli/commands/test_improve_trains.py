"""A whole round on a tiny base: killed in its training, it goes on, and ends as a release with its lineage."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from pathlib import Path

import pytest

from tests.fakes.vllm import FakeVLLM
from tests.gateway.cli.commands.test_commands import POSTIL
from tests.gateway.cli.commands.test_improve import NAME, STEPS, decided
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import TRIAGE, House, running_house, until
from tests.registry.training.conftest import data as data
from tests.registry.training.conftest import tiny_base as tiny_base

NEW = [("my ankle is swollen", "symptoms"), ("the receipt is missing", "billing"), ("a dizzy spell", "symptoms")]


async def killed_in_training(house: House, base: Path, arguments: list[str]) -> list[str]:
    """Run the command until it says that it trains, and kill it; returns what it said before."""
    environment = {**os.environ, "POSTIL_URL": house.url, "POSTIL_KEY": house.admin_key, "POSTIL_BASE_MODEL": str(base)}
    process = await asyncio.create_subprocess_exec(
        str(POSTIL), *arguments, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said: list[str] = []
    while line := (await process.stderr.readline()).decode():
        said.append(line)
        if " train: " in line:
            process.kill()
            break
    await process.wait()
    return said


def is_left(folder: Path) -> bool:
    """Whether no process is at the training any more: its own ends with the command."""
    for lock in folder.glob(".postil-*/lock"):
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    return True


@pytest.mark.tune
async def test_a_killed_round_goes_on_and_ends_as_a_release_with_its_lineage(
    tmp_path: Path, tiny_base: Path, data: tuple[Path, Path], engine_at: tuple[FakeVLLM, str]
) -> None:
    training, held_out = data
    config = tmp_path / "train.yaml"
    config.write_text("epochs: 0.2\nlearning_rate: 0.02\n")
    first = ("--out", str(tmp_path / "first"), "--data", str(training), "--validation", str(held_out))
    trained = await in_process(None, "train", *first, "--base", str(tiny_base), "--epochs", "0.1", "--json")
    assert trained[0] == 0, trained
    files = ("--data", str(training), "--held-out", str(held_out), "--config", str(config))
    folder = tmp_path / "round"
    command = ["improve", NAME, "--round", str(folder), *files, "--publish-anyway", "--canary", "5"]
    async with running_house(tmp_path, *engine_at, base_model=str(tiny_base)) as house:
        made = await house.upload(NAME, tmp_path / "first", TRIAGE.replace("appointment, ", ""))
        assert made.status_code == 201, made.text
        await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": 1})
        for text, label in NEW:
            await decided(house, text, label)
        said = await killed_in_training(house, tiny_base, command)
        assert "9 train: an adapter, in a process of its own" in said[-1]
        await until(lambda: is_left(folder))
        status, out, complaints = await in_process(house, *command, "--json", POSTIL_BASE_MODEL=str(tiny_base))
        assert status == 0, complaints
        done = json.loads(out)
        assert [(step["step"], step["kept"]) for step in done["steps"]] == [
            (name, name in STEPS[:4]) for name in [*STEPS, "canary"]
        ]
        assert (done["release"], done["live"]) == (f"{NAME}@2", f"{NAME}@1")
        state = (await house.admin("GET", f"/api/v1/adapters/{NAME}")).json()
        assert (state["live"], state["canary"]["release"], state["canary"]["weight"]) == (1, 2, 5)
        _, out, _ = await in_process(house, "lineage", f"{NAME}@2", "--json")
        new, old = json.loads(out)["data"]
        assert (new["parent"]["release"], old["release"], new["unknown"]) == (f"{NAME}@1", f"{NAME}@1", [])
        assert (new["reviews"]["count"], new["reviews"]["added"]) == (3, 3)
        assert {file["role"]: file["rows"] for file in new["files"]}["held-out"] == 20
        assert new["evaluation"]["digest"] == next(
            file["digest"] for file in new["files"] if file["role"] == "held-out"
        )
        assert new["steps"].keys() == {name for name in STEPS if name != "publish"}
        status, _, complaints = await in_process(house, *command[:4], POSTIL_BASE_MODEL=str(tiny_base))
        assert (status, "all 3 decided answers are in the training data already" in complaints) == (1, True)
