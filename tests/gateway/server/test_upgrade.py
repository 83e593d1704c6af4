"""A home that the first schema's code made (commit 0409dc0, version 0.1.0) is served by today's.

``tests/support/homes/0.1.0.tar.gz`` holds it, with the base model that it was made for and the keys of its tenants:
``healthcare/triage`` with two releases, of which the first is live by a rollback, and ``legal/notes`` with one.
"""

from __future__ import annotations

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

from postil.gateway.server.backup import save, schema_of
from postil.gateway.server.restore import bring_back
from postil.gateway.settings import Settings
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import running_house
from tests.support.paths import ROOT

HOME = ROOT / "tests" / "support" / "homes" / "0.1.0.tar.gz"
ASKED = "my head hurts"


def unpacked(folder: Path) -> dict[str, str]:
    """Unpack the old home, and return its keys."""
    with tarfile.open(HOME) as tar:
        tar.extractall(folder, filter="data")
    keys: dict[str, str] = json.loads((folder / "keys.json").read_text())
    return keys


async def check(folder: Path, keys: dict[str, str], engine_at: tuple[FakeVLLM, str]) -> None:
    """Serve a home, and see that all of it is there and goes on."""
    async with running_house(folder, *engine_at) as house:
        assert house.admin_key == keys["admin"]
        answer = await house.ask(keys["clinic"], ASKED)
        assert (answer.status_code, answer.headers["x-postil-release"]) == (200, "healthcare/triage@1"), answer.text
        notes = await house.ask(keys["firm"], ASKED, model="legal/notes")
        assert notes.headers["x-postil-release"] == "legal/notes@1"
        state = (await house.admin("GET", "/api/v1/adapters/healthcare/triage")).json()
        assert (state["live"], state["release_count"]) == (1, 2)
        actions = [event["action"] for event in state["events"]]
        assert actions == ["publish", "promote", "publish", "promote", "rollback"]
        assert await house.publish("healthcare/triage", None, seed=3) == 3
        back = await house.admin("POST", "/api/v1/adapters/healthcare/triage/rollback", json={})
        assert back.json()["live"] == 1
        audit: dict[str, Any] = (await house.admin("GET", "/api/v1/audit")).json()
        assert (audit["first_break"], audit["differences"]) == (None, []), audit


async def test_a_home_of_0_1_0_is_served_with_its_keys_releases_and_history(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    keys = unpacked(tmp_path)
    assert schema_of(tmp_path / "home" / "postil.db") == "0001"
    await check(tmp_path, keys, engine_at)


async def test_a_backup_of_a_home_of_0_1_0_is_restored_and_served(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    keys = unpacked(tmp_path)
    old = tmp_path / "home"
    manifest, digest = save(Settings(home=old), tmp_path / "backup.tar")
    assert (manifest.schema, manifest.damaged) == ("0001", [])
    old.rename(tmp_path / "old")
    bring_back(Settings(home=old), tmp_path / "backup.tar", digest)
    with closing(sqlite3.connect(old / "postil.db")) as connection:
        assert connection.execute("SELECT count(*) FROM release").fetchone() == (3,)
    await check(tmp_path, keys, engine_at)
