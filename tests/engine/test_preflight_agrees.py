"""The same adapters through preflight and through the real vLLM, past the gateway: what vLLM refuses, preflight does.

"Answers" is measured against PEFT: the log-probabilities of the next token, as PEFT itself computes them with the
adapter in plain transformers. An engine that loads an adapter and passes half of it over in silence is found so.

What vLLM 0.32 does with the bad ones: most it refuses at load, with whatever exception it ran into. With NaN in the
weights it says 400 to every request, for its JSON has no NaN. Where tensors are too small, are of a layer or a block
that the base does not have, have another rank than is stated, or are left out by the configuration, it answers, and
otherwise than PEFT does. None of the set ends it or spoils what it answers afterwards; the last test here checks that.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.base_model.prepare import DEFAULT_ID
from postil.registry.errors import PreflightError
from postil.registry.preflight.preflight import preflight
from tests.engine.conftest import Served
from tests.fakes.adapter_cases import CASES
from tests.fakes.adapter_draft import Case
from tests.support.past_the_gateway import engine_client
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

MAX_RANK = 16
PROMPT = [504, 3575, 282, 4649, 314, 260]  # "The capital of France is the"
# Both compute in float32, in another order; the adapters move the answer by far more.
TOLERANCE = 0.002
LogProbabilities = dict[str, float]


@dataclass
class Verdicts:
    """What each said of one adapter; ``engine`` is a complaint, or what it answered."""

    case: Case
    preflight: str | None
    engine: str | LogProbabilities
    peft: LogProbabilities | None

    @property
    def outcome(self) -> str:
        """What became of the adapter in the engine, in a word."""
        if isinstance(self.engine, str):
            return "refuses"
        return "answers" if self.peft and distance(self.engine, self.peft) < TOLERANCE else "answers otherwise"


def distance(some: LogProbabilities, all_: LogProbabilities) -> float:
    """How far apart two answers are at most, over the tokens of the shorter one."""
    return max(abs(value - all_.get(token, -99.0)) for token, value in some.items())


class Engine:
    """vLLM itself, on the socket that only the gateway speaks to."""

    def __init__(self, served: Served) -> None:
        self.client = engine_client(served.everybody())

    def models(self) -> set[str]:
        """The names of all that it answers as."""
        return {model["id"] for model in self.client.get("/v1/models").json()["data"]}

    def ask(self, model: str) -> str | LogProbabilities:
        """The log-probabilities of the five likeliest next tokens, or the complaint."""
        body = {"model": model, "prompt": PROMPT, "max_tokens": 1, "temperature": 0, "logprobs": 5}
        response = self.client.post("/v1/completions", json={**body, "return_tokens_as_token_ids": True})
        if response.status_code != 200:
            return f"{response.status_code} {response.json()['error']['message']}"
        found = response.json()["choices"][0]["logprobs"]["top_logprobs"][0]
        return {token.removeprefix("token_id:"): value for token, value in found.items()}

    def try_adapter(self, folder: Path) -> str | LogProbabilities:
        """Load it under a name of its own, ask once, unload it."""
        name = uuid.uuid4().hex
        loaded = self.client.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": str(folder)})
        if loaded.status_code != 200:
            return f"{loaded.status_code} {loaded.json()['error']['message']}"
        try:
            return self.ask(name)
        finally:
            self.client.post("/v1/unload_lora_adapter", json={"lora_name": name}).raise_for_status()


@pytest.fixture(scope="module")
def engine(running: list[Served]) -> Iterator[Engine]:
    """The engine of this session's gateway."""
    running[0].wait_until_ready()
    engine = Engine(running[0])
    yield engine
    engine.client.close()


@pytest.fixture(scope="module")
def base(home: Path, running: list[Served]) -> BaseModel:
    """The base that it serves."""
    return read_base(home / "base" / DEFAULT_ID.rpartition("/")[2], DEFAULT_ID)


@pytest.fixture(scope="module")
def before(engine: Engine) -> tuple[set[str], str | LogProbabilities]:
    """What the engine knew and answered before it met the set."""
    return engine.models(), engine.ask("base")


@pytest.fixture(scope="module")
def verdicts(
    engine: Engine, base: BaseModel, before: object, tmp_path_factory: pytest.TempPathFactory
) -> list[Verdicts]:
    """The whole set through both, and what should be answered through PEFT, which has the second core meanwhile."""
    root = tmp_path_factory.mktemp("set")
    folders = {case.name: case.write(root / str(number), base) for number, case in enumerate(CASES)}
    answered = [case.name for case in CASES if case.says is None or case.stricter]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_peft, base, [folders[name] for name in answered])
        said = {name: engine.try_adapter(folder) for name, folder in folders.items()}
        peft = dict(zip(answered, asked.result(), strict=True))
    return [Verdicts(case, refusal(folders[case.name], base), said[case.name], peft.get(case.name)) for case in CASES]


def refusal(folder: Path, base: BaseModel) -> str | None:
    """What preflight says, or None where it takes the adapter."""
    try:
        preflight(folder, base, MAX_RANK)
    except PreflightError as error:
        return str(error)
    return None


def ask_peft(base: BaseModel, folders: list[Path]) -> list[LogProbabilities | None]:
    """What PEFT computes for each, or None where it cannot; in a process of its own, for torch is large."""
    command = [sys.executable, "-m", "tests.fakes.adapter_reference", str(base.path), json.dumps(PROMPT)]
    done = subprocess.run([*command, *map(str, folders)], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = map(json.loads, done.stdout.splitlines())
    return [None if "error" in answer else answer for answer in answers]


def table(verdicts: list[Verdicts]) -> str:
    """Both verdicts side by side, and then where preflight is stricter, with the reason."""
    width = max(len(one.case.name) for one in verdicts)
    lines = ["", f"{'adapter':{width}}  preflight  vLLM"]
    for one in verdicts:
        said = "refuses" if one.preflight else "takes"
        lines.append(f"{one.case.name:{width}}  {said:9}  {one.outcome}{complaint(one.engine)}")
    lines += ["", "preflight is stricter:"]
    lines += [f"{one.case.name:{width}}  {one.outcome:17}  {one.case.stricter}" for one in stricter(verdicts)]
    return "\n".join(lines)


def complaint(engine: str | LogProbabilities) -> str:
    """The part of what the engine says that tells one refusal from another."""
    if not isinstance(engine, str):
        return ""
    reason = engine.partition("Worker failed with error ")[2].partition(", please check the stack trace")[0]
    return f": {(reason or engine)[:90]}"


def stricter(verdicts: list[Verdicts]) -> list[Verdicts]:
    """Those that preflight refuses and the engine does not."""
    return [one for one in verdicts if one.preflight and one.outcome != "refuses"]


def test_whatever_vllm_refuses_or_answers_wrongly_preflight_refuses_first(
    verdicts: list[Verdicts], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(table(verdicts))
    taken = [one for one in verdicts if not one.preflight]
    assert [(one.case.name, one.outcome, one.engine) for one in taken if one.outcome != "answers"] == []
    assert len([one for one in verdicts if one.outcome == "refuses"]) >= 40


def test_where_preflight_is_stricter_than_vllm_it_has_a_reason(verdicts: list[Verdicts]) -> None:
    assert {one.case.name for one in stricter(verdicts)} == {case.name for case in CASES if case.stricter}


def test_every_adapter_that_is_taken_moves_the_answer(
    verdicts: list[Verdicts], before: tuple[set[str], LogProbabilities]
) -> None:
    taken = [one for one in verdicts if not one.preflight and not isinstance(one.engine, str)]
    still = {one.case.name for one in taken if distance(before[1], one.peft or {}) < 10 * TOLERANCE}
    assert still == {"fresh: B all zero"}


def test_the_engine_is_none_the_worse_for_any_of_them(
    verdicts: list[Verdicts], engine: Engine, before: tuple[set[str], LogProbabilities]
) -> None:
    models, answer = before
    assert engine.models() == models
    again = engine.ask("base")
    assert not isinstance(again, str)
    assert distance(again, answer) < 1e-4
