"""``postil improve`` without training: what it asks for, what it plans, where it stops, and how it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.gateway.cli.rounds.rows import errors_sentence
from postil.registry.training.data.held_out import marked
from postil.registry.training.data.report import DataFinding, DataReport
from postil.registry.training.rounds.record import RECORD, Made, RoundFolder
from tests.gateway.cli.commands.test_reviews import opened
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import FREE_TEXT, House
from tests.registry.training.data.files import labelled, messages, write, write_labelled

NAME = "healthcare/triage"
ROWS = messages(60)
STEPS = ["export", "merge", "split", "check", "train", "evaluate", "compare", "publish"]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The arguments of a round with rows of before and held-out rows."""
    data = write_labelled(tmp_path / "train.jsonl", ROWS[:40])
    held_out = write_labelled(tmp_path / "held-out.jsonl", ROWS[40:50])
    return ["improve", NAME, "--round", str(tmp_path / "round"), "--data", str(data), "--held-out", str(held_out)]


async def decided(house: House, text: str, label: str) -> str:
    """A review that somebody decided; returns its id."""
    review = opened(house, 1, last=text)
    body = {"answer": json.dumps({"category": label})}
    answer = await house.admin("POST", f"/api/v1/reviews/{review}/edit", json=body)
    assert answer.status_code == 200, answer.text
    return review


async def test_where_nobody_decided_anything_there_is_nothing_to_learn(house: House, files: list[str]) -> None:
    await house.publish(NAME)
    status, out, complaints = await in_process(house, *files)
    assert (status, out) == (1, "")
    assert complaints == (
        "1/8 export: what people decided\n"
        f"error: there is nothing to learn: nobody has decided a review of {NAME}; see `postil reviews list`\n"
    )
    _, _, complaints = await in_process(house, *files, "--since", "2026-01-01")
    assert f"has decided a review of {NAME} since 2026-01-01; see" in complaints
    assert len((await house.admin("GET", f"/api/v1/adapters/{NAME}")).json()["releases"]) == 1


async def test_the_plan_names_the_steps_and_does_none(house: House, files: list[str], tmp_path: Path) -> None:
    await house.publish(NAME)
    status, out, complaints = await in_process(house, *files, "--dry-run")
    assert (status, complaints) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["step", *STEPS]
    assert {line.rstrip().endswith("to do") for line in lines[1:]} == {True}
    assert f"with {NAME}@1, on the same rows" in out
    _, out, _ = await in_process(house, *files, "--dry-run", "--canary", "5", "--json")
    planned = json.loads(out)
    assert planned["live"] == f"{NAME}@1"
    assert [(step["step"], step["done"]) for step in planned["steps"]] == [(name, False) for name in [*STEPS, "canary"]]
    assert not (tmp_path / "round").exists()


async def test_a_library_that_is_missing_is_said_before_anything_is_exported(
    house: House, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.publish(NAME)
    await decided(house, *ROWS[50])
    monkeypatch.setattr("postil.gateway.cli.commands.improve._ALSO_NEEDED", ("no_such_library",))
    status, out, complaints = await in_process(house, *files)
    assert (status, out, "need no_such_library; install it with" in complaints) == (1, "", True)
    assert not (tmp_path / "round").exists()


async def test_a_round_without_a_live_release_compares_with_nothing(house: House, files: list[str]) -> None:
    await house.publish(NAME, live=False)
    _, out, _ = await in_process(house, *files, "--dry-run", "--json")
    planned = json.loads(out)
    assert planned["live"] is None
    assert [step["step"] for step in planned["steps"]] == [name for name in STEPS if name != "compare"]


async def test_what_is_missing_is_said_before_the_first_step(house: House, files: list[str], tmp_path: Path) -> None:
    await house.publish(NAME)
    command, data, held_out = files[:4], files[4:6], files[6:]
    config = write(tmp_path / "train.yaml", "method: dpo")
    cases = [
        ([*command, *held_out], f"what {NAME} was trained on is not known here; name the training file with --data"),
        ([*command, *data], "there are no held-out rows to compare with; name a file with --held-out"),
        ([*files, "--validation", "none.jsonl"], "none.jsonl is no file; check the path"),
        ([*files, "--config", str(config)], "a round learns labelled answers, and dpo does not"),
        (["improve", "legal/notes", *files[2:]], "legal/notes"),
        (["improve", "legal", *files[2:]], "legal"),
    ]
    for arguments, says in cases:
        status, out, complaints = await in_process(house, *arguments)
        assert (status, out) == (1, ""), arguments
        assert says in complaints
        assert len(complaints.splitlines()) == 1


async def test_where_the_rows_are_refused_the_next_run_exports_again(
    house: House, files: list[str], tmp_path: Path
) -> None:
    await house.publish(NAME)
    await decided(house, *ROWS[50])
    path = Path(files[5])
    write(path, *(marked(labelled(*row)) for row in ROWS[:40]))
    status, _, complaints = await in_process(house, *files)
    assert (status, "has rows that are held out; name it with --held-out" in complaints) == (1, True)
    assert complaints.splitlines()[1].startswith("    done in ")
    assert complaints.splitlines()[1].endswith(" s: rows 1, edited 1, reviews 1")
    assert RoundFolder.read(tmp_path / "round", NAME).round.steps == ()
    status, out, _ = await in_process(house, *files[:4], "--dry-run", "--json")
    assert status == 0, "the files are remembered"
    assert not any(step["done"] for step in json.loads(out)["steps"])


def test_errors_of_the_data_are_one_sentence() -> None:
    finding = {"check": "form", "file": "a.jsonl", "text": "line 3: no label", "remedy": "write one"}
    findings = [
        DataFinding.model_validate({"level": "warning", **finding}),
        DataFinding.model_validate({"level": "error", **finding}),
        DataFinding.model_validate({"level": "error", **finding, "remedy": ""}),
    ]
    report = DataReport(files=(), window=None, threshold=0.5, errors=2, warnings=1, findings=tuple(findings))
    assert errors_sentence(report, Path("check.json")) == (
        "the data has errors: line 3: no label and 1 more; write one (all of them are in check.json)"
    )
    one = report.model_copy(update={"errors": 1, "findings": report.findings[2:]})
    assert errors_sentence(one, Path("c")) == "the data has errors: line 3: no label (all of them are in c)"


async def test_what_is_learned_already_is_not_learned_again(house: House, files: list[str]) -> None:
    await house.publish(NAME)
    await decided(house, *ROWS[3])
    status, _, complaints = await in_process(house, *files)
    assert (status, "the one decided answer is in the training data already" in complaints) == (1, True)


async def test_a_key_that_reads_no_reviews_takes_those_that_were_exported(
    house: House, files: list[str], tmp_path: Path
) -> None:
    await house.publish(NAME)
    review = await decided(house, *ROWS[3])
    out = tmp_path / "decided.jsonl"
    await in_process(house, "data", "export", "--adapter", NAME, "--out", str(out))
    assert json.loads(out.read_text())["review"] == review
    made = await house.admin(
        "POST", "/api/v1/keys", json={"owner": "ci", "role": "publisher", "domains": ["healthcare"]}
    )
    as_ci = {"POSTIL_URL": house.url, "POSTIL_KEY": made.json()["key"]}
    status, _, complaints = await in_process(None, *files, **as_ci)
    assert (status, "role `publisher` does not allow this" in complaints) == (1, True), complaints
    status, _, complaints = await in_process(None, *files, "--reviews", str(out), **as_ci)
    assert (status, "the one decided answer is in the training data already" in complaints) == (1, True), complaints


async def test_a_finished_round_says_its_release_and_the_next_begins_anew(
    house: House, files: list[str], tmp_path: Path
) -> None:
    await house.publish(NAME)
    folder = RoundFolder.read(tmp_path / "round", NAME)
    folder.path.mkdir()
    export = folder.path / "export.jsonl"

    def made() -> Made:
        return Made(write_labelled(export, ROWS[50:51]))

    folder.do("export", {"adapter": NAME, "since": ""}, made)
    for arguments, done in (([], True), (["--fresh"], False)):
        _, out, _ = await in_process(house, *files, "--dry-run", "--json", *arguments)
        assert json.loads(out)["steps"][0]["done"] is done
    folder.change(published=f"{NAME}@2")
    _, out, _ = await in_process(house, *files, "--dry-run", "--json")
    assert json.loads(out)["steps"][0]["done"] is False
    (tmp_path / "round" / RECORD).write_text("{}")
    status, _, complaints = await in_process(house, *files, "--dry-run")
    assert (status, "is no record of a round; name another folder with --round" in complaints) == (1, True)


async def test_a_free_release_has_a_round_too(house: House, files: list[str]) -> None:
    await house.publish(NAME, FREE_TEXT)
    assert (await in_process(house, *files, "--dry-run"))[0] == 0
