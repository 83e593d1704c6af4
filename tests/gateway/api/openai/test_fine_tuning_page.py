"""The page about fine-tuning jobs: its code runs as it stands, with OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

from tests.gateway.conftest import House
from tests.gateway.control.jobs.conftest import trained as trained
from tests.registry.jobs.data import chats, text
from tests.support.paths import ROOT

PAGE = (ROOT / "deploy" / "docs" / "fine-tuning-jobs.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The page's only block in a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


async def test_the_code_of_the_page_runs_as_it_stands(trained: House, tmp_path: Path) -> None:
    example = json.loads(block("json"))
    (tmp_path / "triage.jsonl").write_text(text([example, *chats()]), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", block("python")),
        cwd=tmp_path,
        env={"OPENAI_BASE_URL": f"{trained.url}/v1", "OPENAI_API_KEY": trained.admin_key, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, complaints.decode()
    assert out.decode().splitlines()[-1] == "succeeded healthcare/triage@1 None"
    assert "`succeeded healthcare/triage@1 None`" in PAGE
