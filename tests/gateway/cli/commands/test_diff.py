"""``postil diff`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.adapters import write_adapter
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House


async def publish(house: House, folder: Path, policy: str, accuracy: float, *, rank: int = 2) -> None:
    """Publish an adapter with figures of its training."""
    made = write_adapter(folder, seed=rank, rank=rank)
    figures = {"adapter_metrics": {"accuracy": accuracy, "loss": 0.5, "examples": 300}}
    (made / "training.json").write_text(json.dumps(figures))
    assert (await house.upload("healthcare/triage", made, policy)).status_code == 201


async def test_what_a_promote_would_change_is_shown_in_columns(house: House, tmp_path: Path) -> None:
    await publish(house, tmp_path / "one", TRIAGE, 0.867)
    better = TRIAGE.replace("minimum: 0.5", "minimum: 0.75").replace("Sort the message.", "Sort it.")
    await publish(house, tmp_path / "two", better, 0.963, rank=4)
    await postil(house, "promote", "healthcare/triage@1")
    status, out, complaints = await postil(house, "diff", "healthcare/triage@2")
    assert status == 0, complaints
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    first = out.splitlines()[0].split()
    assert first == ["healthcare/triage@1", "healthcare/triage@2"]
    assert lines["validators[confidence].config.minimum"][1:] == ["0.5", "0.75"]
    assert "  -Sort the message.\n  +Sort it.\n" in out
    assert lines["validation"] == ["validation", "examples", "300", "300"]
    (accuracy,) = (line for line in out.splitlines() if line.startswith("validation accuracy"))
    assert accuracy.split()[2:] == ["86.7", "%", "96.3", "%", "+9.6", "points"]
    assert lines["rank"] == ["rank", "2", "4"]
    assert lines["q_proj"][:4] == ["q_proj", "0", "1", "changed"]
    header = next(line for line in out.splitlines() if line.startswith("modules "))
    row = next(line for line in out.splitlines() if line.startswith("q_proj"))
    assert header.index("tensors") == row.index("changed")
    assert header.index("update moved") == row.index(lines["q_proj"][4])


async def test_two_that_are_the_same_are_said_to_be(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    status, out, _ = await postil(house, "diff", "legal/notes@1", "legal/notes@1")
    assert status == 0
    assert "the policy is the same" in out
    assert "neither release has training figures" in out
    assert "the weights are the same" in out
    assert "the same in both: rank 2; alpha 4; rank-stabilised no; targets q_proj, v_proj; modules 2" in out


async def test_json_is_what_the_gateway_says(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.publish("legal/notes", FREE_TEXT, seed=1)
    status, out, _ = await postil(house, "diff", "legal/notes@1", "legal/notes@2", "--json")
    params = {"from": "legal/notes@1", "to": "legal/notes@2"}
    assert status == 0
    assert json.loads(out) == (await house.admin("GET", "/api/v1/diff", params=params)).json()


async def test_files_that_are_gone_are_said_to_be_and_the_policy_is_compared(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.publish("legal/notes", TRIAGE, seed=1)
    for folder in (house.folder / "home" / "artifacts" / "sha256").iterdir():
        (folder / "adapter_config.json").write_text("{}")
    status, out, _ = await postil(house, "diff", "legal/notes@1", "legal/notes@2")
    assert status == 0
    assert "validators[labels]" in out
    assert "the files cannot be compared: artifact sha256:" in out


async def test_a_wrong_name_is_told_what_would_be_right(house: House) -> None:
    status, _, complaints = await postil(house, "diff", "healthcare/triage")
    assert status == 1
    assert "such as healthcare/triage@4" in complaints


async def test_the_command_explains_itself() -> None:
    status, out, _ = await postil(None, "diff", "--help")
    assert status == 0
    assert "what a promote would change" in " ".join(out.split())
