"""``postil publish``, as a user runs it: folders, archives, and places on a hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.hub import Hub
from tests.fakes.hub_client import REPO, asked_hub
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, House
from tests.registry.artifacts.archives.handmade import KINDS

NAME = ("--adapter", "legal/notes")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with ``acme/triage`` on it, which the gateway asks."""
    with asked_hub(monkeypatch, tmp_path) as hub:
        yield hub


@pytest.mark.parametrize("kind", KINDS)
async def test_an_archive_is_sent_as_it_is(house: House, tmp_path: Path, kind: str) -> None:
    folder = write_adapter(tmp_path / "notes")
    archive = tmp_path / "named-by-somebody"
    archive.write_bytes(KINDS[kind]({f"notes/{path.name}": path.read_bytes() for path in folder.iterdir()}))
    status, out, complaints = await postil(house, "publish", str(archive), *NAME)
    said = "published legal/notes@1; make it live with `postil promote legal/notes@1`\n"
    assert (status, out) == (0, said), complaints
    assert "the same adapter with the same policy" in (await postil(house, "publish", str(folder), *NAME))[1]


async def test_the_policy_beside_an_adapter_is_taken_and_said(house: House, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "notes")
    (folder / "policy.yaml").write_text(FREE_TEXT)
    (folder / "README.md").write_text("# notes")
    _, out, _ = await postil(house, "publish", str(folder), *NAME, "--promote")
    assert out == "published legal/notes@1, with the policy.yaml from its folder; it is live\n"
    other = tmp_path / "policy.yaml"
    other.write_text("system_prompt: Answer at length.")
    _, out, _ = await postil(house, "publish", str(folder), *NAME, "--policy", str(other), "--json")
    made = json.loads(out)
    assert (made["policy"]["system_prompt"], made["policy_from"]) == ("Answer at length.", "request")


async def test_an_adapter_on_a_hub_is_published_by_its_commit(house: House, hub: Hub) -> None:
    commit = hub.repos[REPO].branches["main"]
    status, out, complaints = await postil(house, "publish", f"hf://{REPO}@main", *NAME)
    assert (status, out) == (
        0,
        f"published legal/notes@1 from hf://{REPO}@{commit}; make it live with `postil promote legal/notes@1`\n",
    ), complaints
    _, out, _ = await postil(house, "publish", f"hf://{REPO}", *NAME, "--json")
    made = json.loads(out)
    assert (made["created"], made["source"]) == (False, f"hf://{REPO}@{commit}")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/nonexistent", "is not a folder or an archive that can be read (No such file or directory); give "),
        ("pyproject.toml", "pyproject.toml is not a tar, tar.gz or zip; give "),
        ("hf://acme", "'hf://acme' is not an address on a hub; use hf://org/name"),
        ("hf://acme/unknown", "it is not there, or not for this gateway"),
        ("tests", " is not a file; an adapter is one flat folder"),
    ],
)
async def test_what_is_nothing_to_publish_is_said_in_one_sentence(house: House, hub: Hub, path: str, says: str) -> None:
    status, out, complaints = await postil(house, "publish", path, *NAME)
    assert (status, out) == (1, "")
    assert says in complaints
    assert len(complaints.splitlines()) == 1
