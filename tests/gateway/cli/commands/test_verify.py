"""``postil verify``: rows that a gateway answers are held against the release's own report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from postil.registry.training.dataset import Example, load
from postil.registry.training.predictions import predicted
from postil.registry.training.report import Judged, about
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import Reply
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import TRIAGE, House

Body = Mapping[str, Any]
SURE = 0.98


def held_out(path: Path, count: int = 60, field: str = "category") -> Path:
    """Messages that say which label they have."""
    labels = ("symptoms", "appointment", "billing")
    rows = [
        {
            "instruction": "Sort the message.",
            "input": f"{labels[n % 3]} {n}",
            "output": json.dumps({field: labels[n % 3]}),
        }
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(body: Body) -> str:
    """The user's message in a request to the engine."""
    return str(next(turn["content"] for turn in reversed(body["messages"]) if turn["role"] == "user"))


def label(name: str, logprob: float = -0.002) -> Reply:
    return Reply(json.dumps({"category": name}), logprob)


def trained_engine(body: Body) -> Reply:
    """An engine whose base says billing to all, and whose adapter is right."""
    return label("billing", -0.1) if body["model"] == "base" else label(asked(body).split()[0])


async def publish(house: House, data: Path, report: Mapping[str, Any] | None = None, policy: str = TRIAGE) -> None:
    """Publish a release, which is not live, with a report that keeps right answers, or with another one."""
    source = trained_folder(house, data, report)
    response = await house.upload("healthcare/triage", source, policy)
    assert response.status_code == 201, response.text


def trained_folder(house: House, data: Path, report: Mapping[str, Any] | None = None, seed: int = 0) -> Path:
    """An adapter's folder with a report that keeps right answers, or with another one."""
    source = write_adapter(house.folder / f"adapter-{len(list(house.folder.iterdir()))}", seed=seed)
    read = load(data)
    judged = [Judged(Example("", row.message, row.label, row.line), row.label, SURE, 0.0) for row in read.examples]
    kept = {"predictions": [predicted(about(read), judged).model_dump(mode="json")]}
    (source / "training.json").write_text(json.dumps(kept if report is None else report))
    return source


async def verify(house: House, data: Path, *more: str, release: str = "healthcare/triage@1") -> tuple[int, str, str]:
    return await in_process(house, "verify", release, "--data", str(data), *more)


@pytest.fixture
async def data(house: House, tmp_path: Path) -> Path:
    """Rows, and a release that is not live with a report on them."""
    rows = held_out(tmp_path / "held-out.jsonl")
    await publish(house, rows)
    return rows


async def test_a_release_that_is_not_live_and_answers_as_in_training_is_verified(house: House, data: Path) -> None:
    house.engine.reply = trained_engine
    status, out, _ = await verify(house, data)
    assert status == 0
    assert out.splitlines()[-1] == (
        "healthcare/triage@1 is verified: it answers 60 of 60 rows as in training, and the adapter changes 50 of 50"
        " answers of the base."
    )
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["checked", "rows", "found", "as", "expected"]
    assert lines[1] == ["answers", "60", "60", "as", "in", "training,", "0", "held", "back", "yes"]
    status, out, _ = await verify(house, data, "--json")
    found = json.loads(out)
    assert (status, found["verified"], found["answers"]["different"], found["problems"]) == (0, True, [], [])
    assert 0 < found["confidence"]["largest"] < 0.05


async def test_the_base_is_asked_under_the_releases_prompt_and_among_its_labels(house: House, data: Path) -> None:
    house.engine.reply = trained_engine
    await verify(house, data, "--rows", "5")
    base = [body for body in house.engine.requests if body["model"] == "base"]
    assert len(base) == 5
    assert base[0]["messages"][0] == {"role": "system", "content": "Sort the message."}
    assert len(base[0]["structured_outputs"]["choice"]) == 3
    assert all(body["temperature"] == 0 for body in house.engine.requests)


async def test_a_seed_draws_the_same_rows_again(house: House, data: Path) -> None:
    house.engine.reply = trained_engine

    async def drawn(seed: str) -> set[str]:
        house.engine.requests.clear()
        await verify(house, data, "--rows", "7", "--seed", seed)
        return {asked(body) for body in house.engine.requests}

    first = await drawn("1")
    assert len(first) == 7
    assert await drawn("1") == first
    assert await drawn("2") != first


async def test_an_adapter_that_answers_as_the_base_is_not_applied(house: House, data: Path) -> None:
    house.engine.reply = lambda body: label("billing")
    status, out, _ = await verify(house, data)
    assert status == 1
    said = out.splitlines()
    assert said[-1].startswith("healthcare/triage@1 is not verified: the adapter is not applied: in all 50 rows")
    assert "the engine does not answer as training did: 40 of 60 rows differ, and 1 may" in said[-1]
    assert "30 more rows differ; --json has them all." in said
    assert "symptoms (0.98)" in out


async def test_what_the_policy_holds_back_has_to_be_what_training_was_unsure_of(house: House, data: Path) -> None:
    house.engine.reply = lambda body: label("billing", -0.1) if body["model"] == "base" else label("billing", -3.0)
    status, out, _ = await verify(house, data, "--json")
    found = json.loads(out)
    assert status == 1
    assert found["answers"]["held_back"] == 60
    assert found["answers"]["different"][0]["reason"].startswith("fixed_answer (confidence: probability")
    assert found["problems"][0].startswith("no answer of the adapter could be compared")
    assert found["confidence"] is None


async def test_without_kept_answers_accuracies_are_compared(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "rows.jsonl")
    await publish(house, rows, {"adapter_metrics": {"right": 59, "examples": 60}})
    house.engine.reply = trained_engine
    status, out, _ = await verify(house, rows)
    assert status == 0
    assert "is as accurate as in training, as far as accuracies tell" in out
    assert "100.0% (94.0% to 100.0%); training 98.3%" in out
    assert "Note: the release's report keeps no answers to these rows" in out


async def test_without_any_figures_nothing_is_verified(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "rows.jsonl")
    await publish(house, rows, {}, "output: {labels: [symptoms, appointment, billing]}")
    house.engine.reply = trained_engine
    status, out, _ = await verify(house, rows)
    assert status == 1
    assert "not verified: its report has no figures for these rows to be held against" in out


async def test_a_release_without_labels_in_its_policy_is_compared_by_what_it_says(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "rows.jsonl")
    await publish(house, rows, policy="defaults: {temperature: 0}")
    replies = {"base": "I do not know."}
    house.engine.reply = lambda body: Reply(replies["base"]) if body["model"] == "base" else trained_engine(body)
    status, out, _ = await verify(house, rows, "--json")
    assert (status, json.loads(out)["effect"]["other_label"]) == (0, 50)
    replies["base"] = "[1]"
    assert (await verify(house, rows))[0] == 0


async def test_a_schema_of_a_policy_holds_for_the_base_too(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "rows.jsonl")
    value = {"type": "object", "properties": {"category": {"enum": ["symptoms", "appointment", "billing"]}}}
    await publish(house, rows, policy=json.dumps({"output": {"json_schema": value}}))
    house.engine.reply = trained_engine
    status, _, complaints = await verify(house, rows)
    assert status == 0, complaints
    base = next(body for body in house.engine.requests if body["model"] == "base")
    assert base["structured_outputs"] == {"json": value}


async def test_requests_that_a_check_refuses_count_as_held_back(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "rows.jsonl")
    checks = "\ninput: [{name: input_length, config: {max_characters: 10}}]\n"
    await publish(house, rows, policy=TRIAGE.split("validators")[0] + checks)
    house.engine.reply = trained_engine
    status, out, _ = await verify(house, rows, "--json")
    found = json.loads(out)
    assert status == 1
    assert found["answers"]["held_back"] == len(found["answers"]["different"]) > 0
    assert "did not pass `input_length`" in found["answers"]["different"][0]["reason"]


async def refused(house: House, data: Path, *more: str, **environment: str) -> str:
    """What the command says where it cannot do its work."""
    if environment:
        environment["POSTIL_URL"] = house.url
    at = None if environment else house
    status, out, complaints = await in_process(
        at, "verify", "healthcare/triage@1", "--data", str(data), *more, **environment
    )
    assert (status, out) == (1, "")
    return complaints.splitlines()[-1]


async def test_what_cannot_be_verified_is_one_sentence(house: House, data: Path, tmp_path: Path) -> None:
    other = held_out(tmp_path / "other.jsonl", field="kind")
    assert "answers with 'kind', healthcare/triage@1 with 'category'; name rows of this adapter" in await refused(
        house, other
    )
    key = await house.tenant("clinic", "healthcare")
    assert "does not allow this" in await refused(house, data, POSTIL_KEY=key)
    house.engine.reply = lambda body: Reply(status=500)
    assert "error: the gateway does not answer for base: " in await refused(house, data)
    missing = await verify(house, data, release="healthcare/triage@9")
    assert (missing[0], missing[2].count("\n")) == (1, 1)


async def test_rows_that_the_release_learned_are_refused(house: House, data: Path, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "learned.jsonl", 9)
    await publish(house, rows, {"data": {"digest": load(rows).digest}})
    found = await verify(house, rows, release="healthcare/triage@2")
    assert "is the file that healthcare/triage@2 was trained on" in found[2]


async def published(house: House, folder: Path, data: Path, *more: str) -> tuple[int, str, str]:
    """Publish a folder, verify it, and make it live if it is as in training."""
    (folder / "policy.yaml").write_text(TRIAGE)
    options = ("--adapter", "healthcare/triage", "--promote", "--verify", str(data), *more)
    return await in_process(house, "publish", str(folder), *options)


async def test_a_release_goes_live_with_its_publish_once_it_is_verified(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "held-out.jsonl")
    house.engine.reply = trained_engine
    status, out, _ = await published(house, trained_folder(house, rows), rows)
    assert status == 0
    assert "healthcare/triage@1 is verified: it answers 60 of 60 rows as in training" in out
    assert out.splitlines()[-1].endswith("it is live")
    status, out, _ = await published(house, trained_folder(house, rows, seed=1), rows, "--json")
    found = json.loads(out)
    assert (status, found["live"], found["verification"]["verified"]) == (0, True, True)


async def test_a_release_that_answers_otherwise_is_published_and_does_not_go_live(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "held-out.jsonl")
    house.engine.reply = lambda body: label("billing")
    status, out, err = await published(house, trained_folder(house, rows), rows)
    assert status == 1
    assert "it is not live" in out
    assert err.splitlines()[-1] == (
        "error: healthcare/triage@1 is published, and its answers to the rows of --verify are not those of its"
        " training; when that is settled, run `postil promote healthcare/triage@1`"
    )
    assert (await house.admin("GET", "/api/v1/adapters/healthcare/triage")).json()["live"] is None


async def test_rows_that_cannot_be_asked_publish_nothing_or_leave_it_not_live(house: House, tmp_path: Path) -> None:
    rows = held_out(tmp_path / "held-out.jsonl")
    folder = trained_folder(house, rows)
    status, _, err = await published(house, folder, tmp_path / "absent.jsonl")
    assert (status, "absent.jsonl cannot be read" in err) == (1, True)
    assert (await house.admin("GET", "/api/v1/adapters")).json()["data"] == []
    status, _, err = await published(house, folder, held_out(tmp_path / "other.jsonl", field="kind"))
    assert status == 1
    assert "is published, and --verify failed:" in err
    assert "answers with 'kind', healthcare/triage@1 with 'category'" in err
    assert (await house.admin("GET", "/api/v1/adapters/healthcare/triage")).json()["live"] is None
