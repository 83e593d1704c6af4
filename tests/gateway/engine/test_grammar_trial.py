"""A policy's constraint is compiled in a process that is killed when it takes too long."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.engine.grammar_trial import GrammarTrial
from postil.registry.errors import PolicyError

TAG: dict[str, Any] = {"structural_tag": "{}"}
needs_compiler = pytest.mark.skipif(find_spec("xgrammar") is None, reason="vLLM's compiler is not installed")


def trial(code: str, seconds: float = 60.0) -> GrammarTrial:
    return GrammarTrial([sys.executable, "-c", code], seconds)


@needs_compiler
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
async def test_a_constraint_that_cannot_be_compiled_is_refused(tmp_path: Path, code: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        await trial(code).compile(TAG, tmp_path)


@needs_compiler
async def test_a_compiler_that_hangs_is_killed(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="for too long"):
        await trial("import threading; threading.Event().wait()", seconds=0.5).compile(TAG, tmp_path)


@needs_compiler
async def test_what_could_not_be_tried_is_let_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await trial("import sys; print('ImportError'); sys.exit(4)").compile(TAG, tmp_path)
    assert "could not be tried: ImportError" in caplog.text


async def test_choices_and_free_answers_start_no_process(tmp_path: Path) -> None:
    await trial("raise SystemExit(3)").compile({"choice": ["a"]}, tmp_path)
    await trial("raise SystemExit(3)").compile(None, tmp_path)


@needs_compiler
async def test_the_real_compiler_has_no_tokenizer_in_an_empty_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await GrammarTrial().compile(TAG, tmp_path)
    assert "could not be tried" in caplog.text
