"""All checks of schemathesis, in all its phases, over every route: what is documented is what is served."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.fakes.hub_client import asked_hub
from tests.gateway.conftest import House

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = os.environ.get("POSTIL_TEST_SCHEMA_EXAMPLES", "4")


async def test_what_is_documented_is_what_is_served(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await house.publish("healthcare/triage")
    with asked_hub(monkeypatch, tmp_path):
        status, told = await run(f"{house.url}/api/v1/docs/openapi.json", house.admin_key, tmp_path)
    assert status == 0, told


async def run(document: str, key: str, folder: Path) -> tuple[int | None, str]:
    """Run schemathesis over a document; returns its status and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", document),
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--mode", "all"),
        *("--header", f"Authorization: Bearer {key}", "--max-examples", EXAMPLES, "--seed", "1"),
        *("--generation-database", "none", "--continue-on-failure", "--suppress-health-check", "all"),
        *("--warnings", "off", "--no-color", "--request-timeout", "30"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode()
