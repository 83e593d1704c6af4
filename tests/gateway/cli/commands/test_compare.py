"""``postil compare``: what it refuses, and where it finds releases."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.local_releases import adapter_folders, held_out_uses
from postil.registry.errors import NameInvalidError
from postil.registry.training.compare_adapters import HeldOutUses
from tests.fakes.adapters import write_adapter
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import House


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a", "a"), "a is compared with itself; name two adapters"),
        (("a", "b", "--label", "symptoms"), "--label 'symptoms' is no label with a margin in points"),
        (("a", "b", "--label", "symptoms=0"), "--label 'symptoms=0' is no label"),
        (("a", "b", "--label", "=3"), "--label '=3' is no label"),
        (("a@1", "b@2"), "there is no registry at"),
    ],
)
async def test_what_cannot_be_is_told_in_one_sentence(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    status, out, complaints = await in_process(
        None, "compare", *arguments, "--data", "rows.jsonl", POSTIL_HOME=str(tmp_path)
    )
    assert (status, out) == (1, "")
    assert says in complaints
    assert len(complaints.splitlines()) == 1


async def test_releases_are_read_from_the_registry_of_a_gateway_that_serves(
    house: House, clinic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTIL_HOME", str(house.folder / "home"))
    mine = write_adapter(tmp_path / "mine")

    def found(*names: str) -> list[Path]:
        with adapter_folders(names) as folders:
            return folders

    release, folder = await asyncio.to_thread(found, "healthcare/triage@1", str(mine))
    assert (release / "adapter_model.safetensors").is_file()
    assert release.parent == house.folder / "home" / "artifacts" / "sha256"
    assert folder == mine
    with pytest.raises(CommandError, match="there is no release healthcare/triage@7 in the registry here"):
        await asyncio.to_thread(found, "healthcare/triage@7", "healthcare/triage@1")
    with pytest.raises(NameInvalidError, match="write domain/adapter@number"):
        await asyncio.to_thread(found, "triage", "healthcare/triage@1")


def test_two_folders_need_no_registry(tmp_path: Path) -> None:
    folders = [write_adapter(tmp_path / name) for name in ("one", "two")]
    with adapter_folders([str(folder) for folder in folders]) as found:
        assert found == folders


async def test_the_use_of_the_rows_is_read_where_a_release_is_named(
    house: House, clinic: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTIL_HOME", str(house.folder / "home"))
    body = {"digest": f"sha256:{'a' * 64}", "measured": f"sha256:{'b' * 64}"}
    await house.admin("POST", "/api/v1/adapters/healthcare/triage/held-out-uses", json=body)
    found = await asyncio.to_thread(held_out_uses, [str(tmp_path), "healthcare/triage@1"], body["digest"])
    assert found == HeldOutUses(uses=1, limit=10)
    assert held_out_uses([str(tmp_path)], body["digest"]) is None


def test_a_registry_that_does_not_count_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTIL_HOME", str(tmp_path))
    (tmp_path / "postil.db").touch()
    assert held_out_uses(["healthcare/triage@1"], "sha256:0") is None
