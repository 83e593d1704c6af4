"""``postil policy test``: a domain's cases, against a policy alone and against a release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.vllm import Reply
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import TRIAGE, House

CASES = """
cases:
  - name: sure
    text: my head hurts
    label: symptoms
    probability: 0.9
    expect: {outcome: answer, label: symptoms, validators: {labels: passed, confidence: passed}}
  - name: not sure
    text: hello
    label: billing
    probability: 0.4
    expect: {outcome: fallback, fallback: fixed_answer, label: needs_review, validators: {confidence: failed}}
  - name: no label
    messages: [{role: user, content: what}]
    answer: '{"category": "weather"}'
    expect: {outcome: fallback, contains: needs_review, validators: {labels: failed}}
"""
RETRY = """
output: {labels: [a, b]}
validators: [{name: labels}]
fallback: [{name: ask_again, config: {sampling: {temperature: 0.7}}}]
"""
REDACTED = "validators: [{name: pii, on_fail: redact, replacement: '[gone]'}]"
CHECKED = """
input: [{name: input_length, config: {max_characters: 10}}]
validators: [{name: length, config: {max_characters: 5}}]
"""


def written(folder: Path, cases: str, policy: str = TRIAGE) -> Path:
    """Write a policy and its cases; returns the file of cases."""
    (folder / "policy.yaml").write_text(policy)
    (folder / "cases.yaml").write_text(cases)
    return folder / "cases.yaml"


async def run(file: Path, *more: str, house: House | None = None) -> tuple[int, str, str]:
    """Run the command, without a process of its own."""
    return await in_process(house, "policy", "test", str(file), *more)


async def test_cases_run_without_a_gateway_and_without_a_model(tmp_path: Path) -> None:
    status, out, complaints = await postil(None, "policy", "test", str(written(tmp_path, CASES)))
    assert (status, complaints) == (0, "")
    assert out.splitlines()[-1] == "3 passed"


async def test_a_case_that_fails_is_told_with_its_line_and_what_came(tmp_path: Path) -> None:
    file = written(tmp_path, CASES.replace("label: symptoms, validators", "label: billing, validators"))
    status, out, complaints = await run(file)
    assert (status, complaints) == (1, "error: 1 of 3 cases failed\n")
    assert f"failed  sure      {file}:3" in out
    assert "label: wanted billing, got symptoms" in out
    assert out.splitlines()[-1] == "2 passed, 1 failed"
    status, out, _ = await run(file, "--json")
    said = json.loads(out)
    assert (status, said["passed"], said["failed"], said["skipped"]) == (1, 2, 1, 0)
    assert said["cases"][0]["validators"] == {"labels": "passed", "confidence": "passed"}
    assert said["cases"][1]["fallbacks"] == ["fixed_answer"]


async def test_an_answer_that_is_cut_is_seen_as_a_client_would(tmp_path: Path) -> None:
    cases = """
cases:
  - text: who
    answer: write to ann@example.com
    expect: {outcome: fallback, content: 'write to [gone]'}
"""
    status, out, complaints = await run(written(tmp_path, cases, REDACTED))
    assert status == 0, out + complaints


async def test_a_retry_takes_the_next_answer(tmp_path: Path) -> None:
    cases = """
cases:
  - {text: x, label: c, expect: {outcome: refused, validators: {labels: failed}}}
  - {text: x, label: c, retries: ['{"category": "b"}'], expect: {outcome: fallback, fallback: ask_again, label: b}}
"""
    status, out, complaints = await run(written(tmp_path, cases, RETRY))
    assert status == 0, out + complaints


async def test_an_input_check_answers_before_the_model(tmp_path: Path) -> None:
    cases = """
cases:
  - {name: long, text: this is far too long, expect: {outcome: refused, validators: {input_length: failed}}}
  - {name: for the model, text: short, expect: {outcome: answer}}
"""
    status, out, complaints = await run(written(tmp_path, cases, CHECKED))
    assert (status, out.splitlines()[-1]) == (0, "1 passed, 1 skipped"), out + complaints
    assert "it gives no answer of the model" in out


async def test_cases_that_cannot_be_run_are_no_success(tmp_path: Path) -> None:
    cases = "cases:\n  - {text: short, expect: {outcome: answer}}\n"
    status, _, complaints = await run(written(tmp_path, cases, CHECKED))
    assert (status, complaints) == (
        1,
        "error: no case was run: none gives an answer of the model; run them with --release\n",
    )


@pytest.mark.parametrize(
    ("cases", "says"),
    [
        ("cases:\n  - text: x\n    expects: {}\n", ":3: `cases.0.expects` is not known; known here: answer, expect,"),
        ("cases:\n  - {text: x, expect: {}}\n", ":2: `cases.0.expect`: it says nothing; name an outcome"),
        ("cases:\n  - expect: {label: a}\n", ":2: `cases.0`: a case takes text or messages, one of the two"),
        ("cases: []\n", ":1: `cases`: list should have at least 1 item"),
        ("policy: other.yaml\ncases:\n  - {text: x, expect: {label: a}}\n", "other.yaml cannot be read"),
        ("cases:\n  - {messages: [{role: x}], answer: a, expect: {label: a}}\n", "is no request that a gateway takes"),
    ],
)
async def test_a_file_that_cannot_be_is_told_in_one_sentence(tmp_path: Path, cases: str, says: str) -> None:
    status, _, complaints = await run(written(tmp_path, cases))
    assert status == 1
    assert says in complaints
    assert len(complaints.splitlines()) == 1


async def test_the_same_cases_run_against_a_release(house: House, clinic: str, tmp_path: Path) -> None:
    file = written(tmp_path, CASES.replace("text: hello", "text: my head hurts"))
    status, out, _ = await run(file, "--release", "healthcare/triage@1", house=house)
    assert (status, out.splitlines()[-1]) == (1, "1 passed, 2 failed")
    assert "outcome: wanted fallback, got answer" in out
    assert "confidence: wanted failed, got no failure of it" in out


async def test_a_release_that_falls_back_tells_which_validator_failed(
    house: House, clinic: str, tmp_path: Path
) -> None:
    house.engine.reply = lambda body: Reply(logprob=-3.0)
    cases = """
cases:
  - text: my head hurts
    expect: {outcome: fallback, fallback: fixed_answer, validators: {labels: passed, confidence: failed}}
"""
    status, out, complaints = await run(written(tmp_path, cases), "--release", "healthcare/triage@1", house=house)
    assert status == 0, out + complaints
    status, _, complaints = await run(tmp_path / "cases.yaml", "--release", "healthcare/triage@7", house=house)
    assert status == 1
    assert "healthcare/triage@7 did not answer 'my head hurts'" in complaints


async def test_a_release_that_refuses_is_seen(house: House, tmp_path: Path) -> None:
    await house.publish("healthcare/triage", "output: {labels: [a]}\nvalidators: [{name: labels}]\n")
    cases = """
cases:
  - text: my head hurts
    expect: {outcome: refused, validators: {labels: failed}}
"""
    file = written(tmp_path, cases)
    status, out, complaints = await run(file, "--release", "healthcare/triage@1", house=house)
    assert status == 0, out + complaints
