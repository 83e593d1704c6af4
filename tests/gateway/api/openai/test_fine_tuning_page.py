"""The page about fine-tuning jobs: its code runs as it stands, with OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

from tests.gateway.conftest import House
from tests.gateway.control.jobs.conftest import trained as trained
from tests.gateway.control.jobs.work import reached, speaking, uploaded
from tests.registry.jobs.data import chats, preferences, text
from tests.support.paths import ROOT

PAGE = (ROOT / "deploy" / "docs" / "fine-tuning-jobs.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


async def test_the_code_of_the_page_runs_as_it_stands(trained: House, tmp_path: Path) -> None:
    example = json.loads(blocks("json")[0])
    [code] = blocks("python")
    (tmp_path / "triage.jsonl").write_text(text([example, *chats()]), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        cwd=tmp_path,
        env={"OPENAI_BASE_URL": f"{trained.url}/v1", "OPENAI_API_KEY": trained.admin_key, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, complaints.decode()
    assert out.decode().splitlines()[-1] == "succeeded healthcare/triage@1 None"
    assert "`succeeded healthcare/triage@1 None`" in PAGE


async def test_the_preferences_of_the_page_become_a_release(trained: House) -> None:
    _, asked, row = map(json.loads, blocks("json"))
    async with speaking(trained) as client:
        file = await uploaded(client, text([row, *preferences()]))
        job = await client.fine_tuning.jobs.create(**asked | {"training_file": file.id})
        done = await reached(client, job.id, "succeeded", "failed")
    assert done.fine_tuned_model == "healthcare/answers@1", done.error
