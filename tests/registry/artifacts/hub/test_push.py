"""A release is pushed to a hub as one commit, and can be fetched from there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from postil.registry.artifacts.hub.fetch import Patience, fetch
from postil.registry.artifacts.hub.push import push
from postil.registry.artifacts.hub.ref import HubRef
from postil.registry.errors import HubError, RegistryError, SourceError
from tests.fakes.adapters import write_adapter
from tests.fakes.hub import Hub

# The hub's own client uploads as its HTTP library would rather not have it.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
NEW = HubRef("acme/new")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is pushed."""
    made = write_adapter(tmp_path / "release", seed=3)
    (made / "README.md").write_text("---\nlibrary_name: peft\n---\n")
    return made


@pytest.fixture
def token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> str:
    """The local user's token."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub.token


def read(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("private", [True, False])
def test_a_folder_becomes_one_commit_of_a_new_repository(hub: Hub, token: str, folder: Path, private: bool) -> None:
    made = push(folder, NEW, message="the third", private=private)
    repo = hub.repos["acme/new"]
    assert repo.private is private
    assert made.ref == HubRef("acme/new", repo.branches["main"])
    assert made.url == f"{hub.url}/acme/new/commit/{made.ref.revision}"
    assert repo.commits[repo.branches["main"]] == {".gitattributes": b"", **read(folder)}


def test_what_was_pushed_can_be_fetched(hub: Hub, token: str, folder: Path, tmp_path: Path) -> None:
    made = push(folder, NEW, message="x", private=True)
    (tmp_path / "back").mkdir()
    assert fetch(made.ref, tmp_path / "back", Patience(1 << 20, 30, threading.Event())).ref == made.ref
    assert read(tmp_path / "back") == {name: content for name, content in read(folder).items() if name != "README.md"}


def test_a_repository_that_is_there_keeps_what_else_it_holds(hub: Hub, token: str, folder: Path) -> None:
    hub.add("acme/old", {"LICENSE": b"mine", "README.md": b"old"})
    push(folder, HubRef("acme/old"), message="x", private=True)
    repo = hub.repos["acme/old"]
    assert repo.commits[repo.branches["main"]] == {"LICENSE": b"mine", **read(folder)}
    assert not repo.private


def test_a_branch_may_be_named(hub: Hub, token: str, folder: Path) -> None:
    first = hub.add("acme/old", {"LICENSE": b"mine"})
    hub.repos["acme/old"].branches["next"] = first
    made = push(folder, HubRef("acme/old", "next"), message="x", private=True)
    assert hub.repos["acme/old"].branches == {"main": first, "next": made.ref.revision}


def refusal(kind: type[RegistryError], folder: Path, ref: HubRef = NEW) -> str:
    """The one sentence with which it is refused."""
    with pytest.raises(kind) as caught:
        push(folder, ref, message="x", private=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_token_nothing_is_asked(hub: Hub, folder: Path) -> None:
    assert refusal(SourceError, folder) == (
        "there is no token to push to hf://acme/new; run `hf auth login`, or set HF_TOKEN"
    )
    assert hub.calls == []


def test_a_wrong_token_is_said_to_be_wrong(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    sentence = "the hub does not know the token for hf://acme/new; set HF_TOKEN to a valid one"
    assert refusal(SourceError, folder) == sentence


def test_somebody_elses_place_is_refused(hub: Hub, token: str, folder: Path) -> None:
    sentence = refusal(SourceError, folder, HubRef("stranger/new"))
    assert sentence == "the token has no right to hf://stranger/new; set HF_TOKEN to one that has it"


def test_a_branch_that_is_not_there_is_said(hub: Hub, token: str, folder: Path) -> None:
    sentence = refusal(SourceError, folder, HubRef("acme/triage", "next"))
    assert sentence == "acme/triage has no revision next; give a branch, a tag or a commit of it"


def test_an_upload_that_breaks_off_is_said(hub: Hub, token: str, folder: Path) -> None:
    hub.refuse_uploads = True
    assert refusal(HubError, folder).startswith("hf://acme/new was not written (")
    assert list(hub.repos["acme/new"].commits.values()) == [{".gitattributes": b""}]


def test_a_card_that_the_hub_refuses_changes_nothing(hub: Hub, token: str, folder: Path) -> None:
    before = hub.add("acme/old", {})
    (folder / "README.md").write_text("---\ntags: []\n---\n")
    refusal(HubError, folder, HubRef("acme/old"))
    assert hub.repos["acme/old"].branches == {"main": before}


def test_a_hub_that_does_not_answer_is_said(
    hub: Hub, token: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert refusal(HubError, folder).startswith("hf://acme/new was not reached: http://127.0.0.1:9 does not answer (")
