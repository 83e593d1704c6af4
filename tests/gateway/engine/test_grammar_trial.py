"""A policy's constraint is compiled in a process that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop

from postil.gateway.engine.grammar_trial import GrammarTrial
from postil.registry.errors import PolicyError

TAG: dict[str, Any] = {"structural_tag": "{}"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder that looks like a base's."""
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def trial(code: str, seconds: float = 60.0) -> GrammarTrial:
    return GrammarTrial([sys.executable, "-c", code], seconds)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "import sys; print('[10:11:12] /a/b.cc:1: no such\\nrule'); sys.exit(3)",
            "vLLM cannot compile it: no such rule",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "for too long"),
        ("import os, resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass", "for too long"),
    ],
)
async def test_a_constraint_that_cannot_be_compiled_is_refused(base: Path, code: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        await trial(code).compile(TAG, base)


async def test_a_compiler_that_hangs_is_killed(base: Path) -> None:
    with pytest.raises(PolicyError, match="for too long"):
        await trial("import threading; threading.Event().wait()", seconds=0.5).compile(TAG, base)


async def test_what_could_not_be_tried_is_let_in(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    await trial("import sys; print('ImportError'); sys.exit(4)").compile(TAG, base)
    assert "could not be tried: ImportError" in caplog.text


async def test_choices_free_answers_and_bases_without_a_tokenizer_start_no_process(base: Path) -> None:
    await trial("raise SystemExit(3)").compile({"choice": ["a"]}, base)
    await trial("raise SystemExit(3)").compile(None, base)
    await trial("raise SystemExit(3)").compile(TAG, base / "none")


async def test_a_tokenizer_that_the_real_compiler_does_not_know_lets_it_in(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await GrammarTrial().compile(TAG, base)
    assert "could not be tried" in caplog.text


async def test_constraints_of_one_domain_hold_up_no_other_domains(base: Path) -> None:
    hang = "import sys, threading; 'hang' in sys.stdin.read() and threading.Event().wait()"
    grammars = trial(hang)
    slow = {"structural_tag": "hang"}
    holding = [asyncio.create_task(grammars.compile(slow, base, "malice", f"publisher-{each}")) for each in range(4)]
    await asyncio.sleep(0)
    await grammars.compile(TAG, base, "legal", "ann")
    assert not any(each.done() for each in holding)
    for each in holding:
        each.cancel()
    await asyncio.gather(*holding, return_exceptions=True)


def test_it_runs_on_the_event_loop_of_a_gateway(base: Path) -> None:
    uvloop.run(trial("").compile(TAG, base))
