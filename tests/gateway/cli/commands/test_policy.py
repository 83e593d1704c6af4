"""``postil policy`` as a user runs it: without a gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from postil.plugins.manager import PluginManager
from postil.registry.policy.schema import policy_schema
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import TRIAGE, House


async def test_the_schema_is_printed_for_an_editor() -> None:
    status, out, complaints = await postil(None, "policy", "schema")
    assert status == 0, complaints
    schema = json.loads(out)
    Draft202012Validator.check_schema(schema)
    assert schema == policy_schema(PluginManager())


async def test_the_gateway_gives_the_same(house: House, clinic: str) -> None:
    response = await house.admin("GET", "/api/v1/policy-schema")
    assert response.status_code == 200
    assert response.json() == policy_schema(house.runtime.plugins)
    refused = await house.client.get("/api/v1/policy-schema", headers={"Authorization": f"Bearer {clinic}"})
    assert refused.status_code == 403


async def test_a_right_policy_is_said_to_be_right(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(TRIAGE)
    status, out, _ = await postil(None, "policy", "check", str(path))
    says = "input none; validators labels, confidence; fallback fixed_answer"
    assert (status, out) == (0, f"{path} is right: {says}\n")
    path.write_text("")
    _, out, _ = await postil(None, "policy", "check", str(path))
    assert out == f"{path} is right: input none; validators none; fallback none\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"validators: [{name: lables}]", "no validator is called 'lables'; did you mean labels? "),
        (b"validators: [{name: labels}]", "policy: labels: labels: field required"),
        (b"output: {labels: [a, a]}", "output.labels names a label twice"),
        (b"prompt: [", "the policy is not YAML"),
        (b"\xff\xfe\x00", "the policy is not YAML"),
    ],
)
async def test_a_wrong_policy_is_told_in_one_sentence(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(text)
    status, out, complaints = await postil(None, "policy", "check", str(path))
    assert (status, out) == (1, "")
    assert says in complaints
    assert len(complaints.splitlines()) == 1


async def test_a_policy_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    status, _, complaints = await postil(None, "policy", "check", str(tmp_path / "none.yaml"))
    assert status == 1
    assert "cannot be read" in complaints


@pytest.mark.parametrize("command", [(), ("schema",), ("check",)])
async def test_the_commands_explain_themselves(command: tuple[str, ...]) -> None:
    status, out, _ = await postil(None, "policy", *command, "--help")
    assert status == 0
    assert "Usage: postil policy" in out


async def test_a_check_says_what_a_publish_would(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("sampling: {top_p: 2}")
    status, _, complaints = await postil(None, "policy", "check", str(path))
    assert status != 0
    assert "sampling.top_p is '2'" in complaints
    path.write_text("output: {json_schema: {type: object, properties: {a: {type: string}}}}")
    status, out, complaints = await postil(None, "policy", "check", str(path))
    assert status == 0, complaints
    assert "warning: output.json_schema has strings without maxLength" in " ".join(out.split())
