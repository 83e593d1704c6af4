"""``postil data`` as a person meets it: figures, findings with lines, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.rows import PreferenceRow, turns_of
from tests.fakes.http import read_body, respond, serving
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.cli.commands.test_reviews import opened
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import TRIAGE, House
from tests.registry.training.data.files import labelled, messages, write, write_labelled


@pytest.fixture
def home(tmp_path: Path) -> str:
    """A home without a base."""
    return str(tmp_path / "home")


async def test_a_check_shows_figures_and_findings_and_exits_with_0_on_warnings(tmp_path: Path, home: str) -> None:
    rows = messages(80)
    path = write_labelled(tmp_path / "a.jsonl", rows + rows[:12])
    status, out, complaints = await in_process(None, "data", "check", str(path), POSTIL_HOME=home)
    assert (status, complaints) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert [str(path), "instruction/input/output", "92", "category"] in lines
    assert ["billing", "46"] in lines
    assert f"warning (duplicates): {path}: 12 rows repeat an earlier one; keep one each" in out
    assert ["81", "1", "1.00", "billing"] in lines
    assert ["and", "2", "more"] in lines
    assert out.endswith("\n0 errors, 1 warning\n")
    _, out, _ = await in_process(None, "data", "check", str(path), "--all", POSTIL_HOME=home)
    assert "more" not in out


async def test_a_check_exits_with_1_where_there_is_an_error(tmp_path: Path, home: str) -> None:
    path = write(tmp_path / "a.jsonl", "{", {"text": "a"})
    other = write(tmp_path / "b.jsonl", {"text": "a"})
    status, out, _ = await in_process(None, "data", "check", str(path), "--validation", str(other), POSTIL_HOME=home)
    assert status == 1
    assert f"error (form): {path}: line 1: this is not a JSON object; write one" in out
    assert "a.jsonl 2" in out
    status, out, _ = await in_process(None, "data", "check", str(path), "--json", POSTIL_HOME=home)
    report = json.loads(out)
    assert (status, report["errors"], report["files"][0]["rows"]) == (1, 1, 1)
    assert report["findings"][0]["check"] == "form"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no.jsonl",), "no.jsonl cannot be read (No such file or directory); check the path"),
        (("--base", "no-folder", "a.jsonl"), "no-folder is not a folder; name the folder of a base model"),
    ],
)
async def test_what_cannot_be_checked_is_one_sentence(home: str, arguments: tuple[str, ...], said: str) -> None:
    status, _, complaints = await in_process(None, "data", "check", *arguments, POSTIL_HOME=home)
    assert (status, complaints) == (1, f"error: {said}\n")


async def test_text_of_a_file_cannot_move_the_terminal(tmp_path: Path, home: str) -> None:
    rows = [labelled(f"\x1b[2J{text}", label) for text, label in messages(80)]
    rows[0]["output"] = json.dumps({"category": "symptoms"})
    _, out, _ = await in_process(None, "data", "check", str(write(tmp_path / "a.jsonl", *rows)), POSTIL_HOME=home)
    assert "\x1b" not in out


async def test_a_split_says_its_files_and_counts(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.jsonl", messages(80))
    status, out, complaints = await in_process(None, "data", "split", str(path), "--out", str(tmp_path / "out"))
    assert (status, complaints) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["file", "rows", "billing", "symptoms"]
    assert lines[4] == [str(tmp_path / "out" / "held-out.jsonl"), "8", "4", "4"]
    assert out.endswith("80 rows in 80 groups that stay together, the largest of 1\n")
    again = ("data", "split", str(path), "--out", str(tmp_path / "out"))
    assert (await in_process(None, *again))[0] == 1
    status, out, _ = await in_process(None, *again, "--overwrite", "--json", "--shares", "1,1,0,0")
    assert [part["rows"] for part in json.loads(out)["parts"]] == [40, 40]
    status, _, complaints = await in_process(None, *again, "--shares", "half")
    assert (status, "'half' is not a list of numbers" in complaints) == (2, True)


async def test_variants_are_counted_by_their_way(tmp_path: Path) -> None:
    path, out = write_labelled(tmp_path / "a.jsonl", messages(8)), tmp_path / "b.jsonl"
    arguments = ("data", "vary", str(path), "--out", str(out), "--ways", "casing, keyboard", "--each", "2")
    status, said, complaints = await in_process(None, *arguments)
    assert (status, complaints) == (0, "")
    assert [line.split() for line in said.splitlines()] == [
        ["variants", "rows"],
        ["casing", "8"],
        ["keyboard", "8"],
        [f"{out}:", "8", "rows", "and", "16", "variants"],
    ]
    status, said, _ = await in_process(None, *arguments, "--overwrite", "--json")
    assert (status, json.loads(said)["variants"]) == (0, {"casing": 8, "keyboard": 8})


async def test_paraphrases_come_from_the_endpoint_with_the_key_of_a_file(tmp_path: Path) -> None:
    keys: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.loads(await read_body(receive))
        keys.append(dict(scope["headers"])[b"authorization"])
        text = " and ".join(reversed(body["messages"][1]["content"].split()))
        answer = {"choices": [{"message": {"content": text}}]}
        await respond(send, 200 if len(keys) < 3 else 500, json.dumps(answer).encode())

    path, key = write_labelled(tmp_path / "a.jsonl", messages(8)), tmp_path / "key"
    key.write_text("sk-secret\n")
    arguments = ("data", "vary", str(path), "--out", str(tmp_path / "b.jsonl"), "--ways", "", "--model", "m")
    async with serving(app) as url:
        endpoint = ("--endpoint", url, "--endpoint-key-file", str(key))
        status, said, complaints = await in_process(None, *arguments, *endpoint)
        assert (status, set(keys)) == (0, {b"Bearer sk-secret"})
        assert ["paraphrase", "2"] in [line.split() for line in said.splitlines()]
        assert "dropped: no answer" in said
        assert complaints.startswith("error: the endpoint failed: it answered 500; see --endpoint")
        status, _, _ = await in_process(None, *arguments, *endpoint, "--overwrite")
        assert status == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--endpoint", "http://host/v1"), "--endpoint needs --model"),
        (("--endpoint", "host", "--model", "m"), "the endpoint is not an API's address"),
        (("--endpoint", "https://host", "--model", "m", "--endpoint-key-file", "none"), "none cannot be read"),
        (("--endpoint", "https://host", "--model", "m", "--endpoint-key-file", "{key}"), "holds no key"),
    ],
)
async def test_an_endpoint_that_cannot_be_asked_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "key").write_text("two words")
    told = [word.format(key=tmp_path / "key") for word in arguments]
    status, _, complaints = await in_process(None, "data", "vary", "a", "--out", str(tmp_path / "b"), *told)
    assert (status, said in complaints, "two words" in complaints) == (1, True, False)


async def test_decisions_are_exported_in_each_form_with_why_they_were_drawn(house: House, tmp_path: Path) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    await postil(house, "reviews", "approve", opened(house, 1, last="the invoice"))
    await postil(house, "reviews", "edit", opened(house, 2, "hello", "hi", last="my knee hurts today"), "symptoms")
    await postil(house, "reviews", "reject", opened(house, 3, last="what is this"))
    found = {}
    for kind in ("instruction", "messages", "dpo", "kto"):
        out = tmp_path / f"{kind}.jsonl"
        arguments = ("data", "export", "--adapter", "healthcare/triage", "--kind", kind, "--out", str(out))
        status, _, complaints = await postil(house, *arguments)
        assert (status, complaints) == (0, "")
        found[kind] = read_rows(out).rows
    assert [(row.kind, row.asked, row.answer) for row in found["instruction"]] == [
        ("instruction", "the invoice", '{"category": "billing"}'),
        ("instruction", "my knee hurts today", '{"category": "symptoms"}'),
    ]
    assert [(row.kind, len(turns_of(row))) for row in found["messages"]] == [("messages", 3), ("messages", 5)]
    [pair] = found["dpo"]
    assert isinstance(pair, PreferenceRow)
    assert (pair.chosen, pair.rejected) == ('{"category": "symptoms"}', '{"category": "billing"}')
    assert [(row.asked, row.raw["label"]) for row in found["kto"]] == [("the invoice", True), ("what is this", False)]
    where = {"origin": "review", "decision": "edited", "release": "healthcare/triage@1", "drawn_by": "check"}
    assert {key: value for key, value in pair.raw.items() if key in where} == where


async def test_decisions_near_to_held_out_rows_are_refused_and_counted(house: House, tmp_path: Path) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    for number, text in enumerate(["the invoice is wrong", "my knee hurts since monday"]):
        await postil(house, "reviews", "approve", opened(house, number, last=text))
    held_out = write(tmp_path / "held-out.jsonl", labelled("My knee hurts since sunday", "symptoms"))
    arguments = ("data", "export", "--adapter", "healthcare/triage", "--held-out", str(held_out))
    status, said, complaints = await postil(house, *arguments)
    assert (status, complaints) == (0, "1 example; 1 refused, because they are near to held-out rows\n")
    assert json.loads(said)["input"] == "the invoice is wrong"
    status, said, _ = await postil(house, *arguments, "--out", str(tmp_path / "out.jsonl"))
    assert said.endswith("; 1 refused, because they are near to held-out rows\n")
    assert len(read_rows(tmp_path / "out.jsonl").rows) == 1
    status, _, complaints = await postil(house, *arguments, "--out", str(held_out / "out.jsonl"))
    assert (status, "cannot be written" in complaints) == (1, True)


async def test_an_export_replaces_a_file_only_where_that_is_wanted_and_nobody_else_can_read_it(
    house: House, tmp_path: Path
) -> None:
    await house.publish("healthcare/triage", TRIAGE)
    await postil(house, "reviews", "approve", opened(house, 1, last="the invoice"))
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    out.chmod(0o644)
    arguments = ("data", "export", "--adapter", "healthcare/triage", "--out", str(out))
    status, _, complaints = await postil(house, *arguments)
    assert (status, out.read_text()) == (1, "mine")
    assert complaints == f"error: {out} exists; name another place or pass --overwrite\n"
    assert (await postil(house, *arguments, "--overwrite"))[0] == 0
    assert (len(read_rows(out).rows), out.stat().st_mode & 0o777) == (1, 0o600)


async def test_an_unknown_kind_is_a_bad_request(house: House) -> None:
    response = await house.admin("GET", "/api/v1/adapters/healthcare/triage/examples?kind=grpo")
    assert (response.status_code, "there are instruction" in response.json()["detail"]) == (400, True)
