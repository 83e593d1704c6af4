"""All checks of schemathesis, in all its phases, over every route: what is documented is what is served."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.gateway.conftest import House

EXAMPLES = os.environ.get("POSTIL_TEST_SCHEMA_EXAMPLES", "4")


async def test_what_is_documented_is_what_is_served(house: House) -> None:
    await house.publish("healthcare/triage")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{house.url}/api/v1/docs/openapi.json"),
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--mode", "all"),
        *("--header", f"Authorization: Bearer {house.admin_key}"),
        *("--max-examples", EXAMPLES, "--seed", "1", "--generation-database", "none", "--continue-on-failure"),
        *("--suppress-health-check", "all", "--warnings", "off", "--no-color", "--request-timeout", "30"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=house.folder
    )
    told, _ = await process.communicate()
    if dump := os.environ.get("EDGE_DUMP"):
        open(dump, "wb").write(told)
    assert process.returncode == 0, told.decode()
