"""A policy's constraint is compiled in a process that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from postil.gateway.engine.grammar_trial import GrammarTrial
from postil.gateway.errors import BusyError
from postil.registry.errors import PolicyError
from tests.gateway.conftest import until

TAG: dict[str, Any] = {"structural_tag": "{}"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder that looks like a base's."""
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


Trial = Callable[..., GrammarTrial]


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """Makes one whose process runs other code, for which no compiler needs to be installed."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(code: str, seconds: float = 60.0) -> GrammarTrial:
        (tmp_path / "other_child.py").write_text(code)
        return GrammarTrial("other_child", seconds, compiler="json")

    return made


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "import sys; print('[10:11:12] /a/b.cc:1: no such\\nrule'); sys.exit(3)",
            "vLLM cannot compile it: no such rule",
        ),
        ("import os, resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass", "for too long"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed, as where a machine has no memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with signal 11, and so might vLLM"),
        ("raise OSError('no such library')", "ended with status 1, .* see the gateway's log"),
    ],
)
async def test_a_constraint_that_cannot_be_compiled_is_refused_with_the_reason(
    trial: Trial, base: Path, code: str, says: str
) -> None:
    with pytest.raises(PolicyError, match=says):
        await trial(code).compile(TAG, base)


async def test_what_a_compiler_that_fails_says_is_in_the_log(
    trial: Trial, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PolicyError):
        await trial("raise OSError('no such library')").compile(TAG, base)
    assert "no such library" in caplog.text


async def test_a_compiler_that_hangs_is_killed(trial: Trial, base: Path) -> None:
    with pytest.raises(PolicyError, match="for too long"):
        await trial("import threading; threading.Event().wait()", seconds=0.5).compile(TAG, base)


async def test_a_compiler_that_nobody_waits_for_any_more_is_killed(trial: Trial, base: Path) -> None:
    told = base / "pid"
    code = f"import os, threading\nopen({str(told)!r}, 'w').write(str(os.getpid()))\nthreading.Event().wait()"
    waiting = asyncio.create_task(trial(code).compile(TAG, base))
    await until(lambda: told.exists() and told.read_text() != "")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not psutil.pid_exists(int(told.read_text()))


async def test_a_compiler_has_no_secret_of_the_gateways_and_gives_way_to_answers(
    trial: Trial, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTIL_ENGINE_API_KEY", "secret")
    said = "os.getpriority(os.PRIO_PROCESS, 0), 'POSTIL_ENGINE_API_KEY' in os.environ"
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with pytest.raises(PolicyError, match=f"{min(usual + 2, 19)} False"):
        await trial(f"import os, sys; print({said}); sys.exit(3)").compile(TAG, base)


async def test_where_no_process_can_be_started_the_publisher_may_try_again(
    trial: Trial, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(base / "none"))
    with pytest.raises(BusyError, match="cannot be started"):
        await trial("").compile(TAG, base)


async def test_what_could_not_be_tried_is_let_in(trial: Trial, base: Path, caplog: pytest.LogCaptureFixture) -> None:
    await trial("import sys; print('ImportError'); sys.exit(4)").compile(TAG, base)
    assert "could not be tried: ImportError" in caplog.text


async def test_choices_free_answers_and_bases_without_a_tokenizer_start_no_process(trial: Trial, base: Path) -> None:
    await trial("raise SystemExit(3)").compile({"choice": ["a"]}, base)
    await trial("raise SystemExit(3)").compile(None, base)
    await trial("raise SystemExit(3)").compile(TAG, base / "none")


async def test_a_tokenizer_that_the_real_compiler_does_not_know_lets_it_in(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await GrammarTrial().compile(TAG, base)
    assert "could not be tried" in caplog.text


async def test_constraints_of_one_domain_hold_up_no_other_domains(trial: Trial, base: Path) -> None:
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


def test_it_runs_on_the_event_loop_of_a_gateway(trial: Trial, base: Path) -> None:
    uvloop.run(trial("").compile(TAG, base))
