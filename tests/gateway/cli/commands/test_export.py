"""``postil export``, as a user runs it: to a folder, to a hub, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import Hub
from tests.fakes.hub_client import asked_hub, environment
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House

ADAPTER = ["adapter_config.json", "adapter_model.safetensors"]
FILES = ["README.md", *ADAPTER, "policy.yaml"]
NAME = "healthcare/triage"
SAME = f"{NAME}@1 is the same adapter with the same policy; nothing was published\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub that the gateway and the command ask."""
    with asked_hub(monkeypatch, tmp_path) as hub:
        yield hub


@pytest.fixture
async def releases(house: House) -> House:
    """Two releases, the second of them live."""
    await house.publish(NAME, TRIAGE)
    await house.publish(NAME, FREE_TEXT, seed=1)
    return house


async def test_a_release_goes_into_a_folder_and_back(releases: House, tmp_path: Path) -> None:
    target = tmp_path / "some" / "where"
    status, out, complaints = await postil(releases, "export", f"{NAME}@1", str(target))
    assert (status, out) == (0, f"{NAME}@1 is now in {target}: {', '.join(FILES)}\n"), complaints
    assert sorted(path.name for path in target.iterdir()) == FILES
    assert [path.name for path in target.parent.iterdir()] == ["where"]
    _, out, _ = await postil(releases, "publish", str(target), "--adapter", NAME)
    assert out == f"{SAME}left out: README.md\n"


async def test_a_folder_that_holds_something_is_left_alone(releases: House, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    status, out, complaints = await postil(releases, "export", f"{NAME}@1", str(tmp_path / "taken"))
    assert (status, out) == (1, "")
    assert complaints.endswith(" already exists with other content; name a new or empty folder\n")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert (await postil(releases, "export", f"{NAME}@1", str(tmp_path / "empty")))[0] == 0
    _, out, _ = await postil(releases, "export", f"{NAME}@1", str(tmp_path / "empty"), "--json")
    assert json.loads(out) == {
        "release": f"{NAME}@1", "files": FILES, "target": str(tmp_path / "empty"), "written": False,
    }  # fmt: skip
    assert (await postil(releases, "export", f"{NAME}@2", str(tmp_path / "empty")))[0] == 1


async def test_a_release_goes_to_a_hub_and_back(releases: House, hub: Hub) -> None:
    status, out, complaints = await postil(releases, "export", f"{NAME}@1", "hf://acme/new", **environment(hub))
    repo = hub.repos["acme/new"]
    commit = repo.branches["main"]
    said = f"{NAME}@1 is now hf://acme/new@{commit}\n{hub.url}/acme/new/commit/{commit}\n"
    assert (status, out) == (0, said), complaints
    assert sorted(repo.commits[commit]) == sorted([*FILES, ".gitattributes"])
    assert repo.private
    repo.private = False
    _, out, _ = await postil(releases, "publish", f"hf://acme/new@{commit}", "--adapter", NAME)
    assert out == f"{SAME}left out: .gitattributes, README.md\n"


async def test_a_repository_is_public_only_where_that_was_asked(releases: House, hub: Hub) -> None:
    _, out, complaints = await postil(
        releases, "export", f"{NAME}@1", "hf://acme/new", "--public", "--json", **environment(hub)
    )
    assert not hub.repos["acme/new"].private, complaints
    commit = hub.repos["acme/new"].branches["main"]
    assert json.loads(out) == {
        "release": f"{NAME}@1", "files": FILES, "target": f"hf://acme/new@{commit}", "commit": commit,
        "url": f"{hub.url}/acme/new/commit/{commit}", "written": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((f"{NAME}@7", "HERE/more/new"), f"there is no release {NAME}@7; {NAME} has 1, 2"),
        ((NAME, "HERE/new"), "such as healthcare/triage@4"),
        ((f"{NAME}@1", "hf://acme"), "is not an address on a hub"),
        ((f"{NAME}@1", "hf://acme/new"), "run `hf auth login`, or set HF_TOKEN"),
        ((f"{NAME}@1", "HERE/adapter_config.json/x"), " cannot be made (Not a directory); "),
        ((f"{NAME}@1", "HERE/adapter_config.json"), " already exists with other content"),
    ],
)
async def test_what_cannot_be_exported_is_said_in_one_sentence(
    releases: House, hub: Hub, tmp_path: Path, arguments: tuple[str, str], says: str
) -> None:
    here = tmp_path / "on-the-hub"
    known = {name: value for name, value in environment(hub).items() if name != "HF_TOKEN"}
    release, target = arguments[0], arguments[1].replace("HERE", str(here))
    status, out, complaints = await postil(releases, "export", release, target, **known)
    assert (status, out) == (1, "")
    assert says in complaints
    assert len(complaints.splitlines()) == 1
    assert sorted(path.name for path in here.iterdir()) == sorted(ADAPTER)


async def test_a_damaged_artifact_is_not_exported(releases: House, tmp_path: Path) -> None:
    registry = releases.runtime.registry.get()
    state = (await releases.admin("GET", f"/api/v1/adapters/{NAME}")).json()
    artifact = registry.artifacts.verified_path(state["releases"][1]["artifact"])
    (artifact / "adapter_config.json").write_text("{}")
    status, _, complaints = await postil(releases, "export", f"{NAME}@1", str(tmp_path / "new"))
    assert status == 1
    assert "is damaged on disk" in complaints
    assert not (tmp_path / "new").exists()
