"""An adapter comes from a hub whole and pinned to its commit, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from postil.registry.artifacts.hub.fetch import Patience, fetch
from postil.registry.artifacts.hub.ref import HubRef, parse_hub_ref
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.errors import ArtifactError, HubError, RegistryError, SourceError
from tests.fakes.hub import Hub, Repo, serving_hub
from tests.fakes.hub_client import REPO, environment

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def fetched(folder: Path, place: str = f"hf://{REPO}", *, limit: int = 1 << 20, seconds: float = 30) -> HubRef:
    """Fetch into a new folder."""
    folder.mkdir()
    return fetch(parse_hub_ref(place), folder, Patience(limit, seconds, threading.Event())).ref


def refusal(kind: type[RegistryError], folder: Path, place: str = f"hf://{REPO}", **arguments: Any) -> str:
    """The one sentence with which it is refused."""
    with pytest.raises(kind) as caught:
        fetched(folder, place, **arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def read(folder: Path) -> dict[str, bytes]:
    """The files of a folder, and of folders in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def add(hub: Hub, files: Mapping[str, bytes]) -> str:
    """A commit with more files beside those that are there."""
    repo = hub.repos[REPO]
    return repo.commit({**repo.commits[repo.branches["main"]], **files})


def test_only_the_files_of_the_adapter_are_fetched(hub: Hub, tmp_path: Path) -> None:
    beside = ["README.md", "training_args.bin", "optimizer.pt", "photo.png", "checkpoint-1/adapter_model.bin"]
    kept = ["training.json", "policy.yaml", "tokenizer.json", "chat_template.jinja"]
    add(hub, dict.fromkeys([*beside, *kept], b"{}"))
    (tmp_path / "to").mkdir()
    found = fetch(HubRef(REPO), tmp_path / "to", Patience(1 << 20, 30, threading.Event()))
    assert set(read(tmp_path / "to")) == {CONFIG, WEIGHTS, *kept} == set(hub.fetched)
    assert found.names == sorted([CONFIG, WEIGHTS, *beside, *kept])


def test_a_folder_of_a_repository_is_fetched_alone(hub: Hub, tmp_path: Path) -> None:
    files = hub.repos[REPO].commits[hub.repos[REPO].branches["main"]]
    add(hub, {f"checkpoint-10/{name}": content for name, content in files.items()} | {WEIGHTS: b"other"})
    found = fetched(tmp_path / "to", f"hf://{REPO}/checkpoint-10@main")
    assert str(found) == f"hf://{REPO}/checkpoint-10@{hub.repos[REPO].branches['main']}"
    assert read(tmp_path / "to") == files
    assert hub.fetched == [f"checkpoint-10/{name}" for name in files]
    assert "hf://acme/triage/checkpoint-11 holds no adapter_config.json; " in refusal(
        SourceError, tmp_path / "none", f"hf://{REPO}/checkpoint-11"
    )


def test_where_only_folders_hold_an_adapter_they_are_named(hub: Hub, tmp_path: Path) -> None:
    hub.add(REPO, dict.fromkeys([f"checkpoint-{step}/{name}" for step in (10, 20) for name in (CONFIG, WEIGHTS)], b""))
    assert refusal(SourceError, tmp_path / "to") == (
        f"hf://{REPO} holds no {CONFIG} itself, but checkpoint-10, checkpoint-20 do in it; publish a folder that does"
    )


@pytest.mark.parametrize("revision", ["", "@main", "@v1", "@refs/pr/3", "@COMMIT"])
def test_a_revision_is_pinned_to_its_commit(hub: Hub, tmp_path: Path, revision: str) -> None:
    repo = hub.repos[REPO]
    first = repo.branches["main"]
    if revision:
        repo.branches |= {"v1": first, "refs/pr/3": first}
    if revision not in ("", "@main"):
        add(hub, {CONFIG: b"newer"})
    found = fetched(tmp_path / "to", f"hf://{REPO}{revision.replace('COMMIT', first)}")
    assert found == HubRef(REPO, first)
    assert read(tmp_path / "to") == repo.commits[first]


def test_a_branch_that_moves_meanwhile_gives_no_mixture(hub: Hub, tmp_path: Path) -> None:
    first = hub.repos[REPO].branches["main"]

    def move(content: bytes) -> bytes:
        add(hub, {CONFIG: b"newer", WEIGHTS: b"newer"})
        return content

    hub.tamper = move
    assert fetched(tmp_path / "to").revision == first
    assert read(tmp_path / "to") == hub.repos[REPO].commits[first]


def test_downloads_may_be_redirected_and_the_token_stays_at_home(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    with serving_hub() as cdn:
        hub.cdn = cdn
        fetched(tmp_path / "to")
        assert {call[2] for call in hub.calls} == {f"Bearer {hub.token}"}
        assert [call[2] for call in cdn.calls] == [None, None]
    assert set(read(tmp_path / "to")) == {CONFIG, WEIGHTS}


def test_a_private_repository_is_fetched_with_the_right_token(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos[REPO].private = True
    assert refusal(SourceError, tmp_path / "none").startswith(f"hf://{REPO} cannot be fetched: ")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert fetched(tmp_path / "to").repo == REPO


def test_the_cache_is_neither_asked_nor_filled(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    fetched(tmp_path / "one")
    fetched(tmp_path / "two")
    assert sorted(hub.fetched) == sorted([CONFIG, WEIGHTS] * 2)
    assert not (tmp_path / "cache").exists()


def test_pickled_weights_are_refused_and_not_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.add(REPO, {CONFIG: b"{}", "adapter_model.bin": b"x"})
    assert refusal(SourceError, tmp_path / "to") == (
        f"hf://{REPO} has its weights only as adapter_model.bin, a pickle, which can run code when it is loaded;"
        " save them as adapter_model.safetensors"
    )
    assert hub.fetched == []


@pytest.mark.parametrize("files", [{}, {CONFIG: b"{}"}, {WEIGHTS: b"x"}, {CONFIG: b"{}", "model.safetensors": b"x"}])
def test_what_is_no_adapter_is_refused(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    hub.add(REPO, files)
    missing = WEIGHTS if CONFIG in files else CONFIG
    assert refusal(SourceError, tmp_path / "to").startswith(f"hf://{REPO} holds no {missing}; ")


def test_an_adapter_over_the_limit_is_refused_before_it_is_fetched(hub: Hub, tmp_path: Path) -> None:
    add(hub, {WEIGHTS: bytes(3 << 20)})
    assert refusal(SourceError, tmp_path / "to", limit=2 << 20).startswith(
        f"the adapter in hf://{REPO} is of 4 MiB, and this gateway takes 2 MiB; "
    )
    assert hub.fetched == []


def test_a_hub_that_sends_more_than_it_said_is_left(hub: Hub, tmp_path: Path) -> None:
    hub.tamper = lambda content: content + bytes(3 << 20)
    assert "more than 2 MiB came" in refusal(SourceError, tmp_path / "to", limit=2 << 20)


@pytest.mark.parametrize("tamper", [lambda content: content[:-1], lambda content: content[:-1] + b"?"])
def test_content_that_is_not_what_was_listed_is_refused(hub: Hub, tmp_path: Path, tamper: Any) -> None:
    hub.tamper = lambda content: content if content.startswith(b"{") else tamper(content)
    assert refusal(HubError, tmp_path / "to").startswith(f"{WEIGHTS} of hf://{REPO}@")


def test_what_takes_too_long_is_given_up(hub: Hub, tmp_path: Path) -> None:
    assert refusal(HubError, tmp_path / "to", seconds=0).endswith(
        " was not there after 0 s; try again, or raise POSTIL_HUB_TIMEOUT_SECONDS"
    )


def test_what_nobody_waits_for_is_given_up(hub: Hub, tmp_path: Path) -> None:
    hub.hold, stop = threading.Event(), threading.Event()

    def leave() -> None:
        assert hub.held.wait(10)
        stop.set()
        assert hub.hold is not None
        hub.hold.set()

    leaving = threading.Thread(target=leave)
    leaving.start()
    with pytest.raises(HubError, match="was given up"):
        fetch(HubRef(REPO), tmp_path, Patience(1 << 20, 30, stop))
    leaving.join()


PUBLISHING = """
import sys, threading
from pathlib import Path
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.artifacts.hub.fetch import Patience, fetch
from postil.registry.artifacts.hub.ref import HubRef

with LocalStore.open(Path(sys.argv[1])).incoming() as folder:
    fetch(HubRef(sys.argv[2]), folder, Patience(1 << 20, 30, threading.Event()))
"""


def test_a_download_that_is_killed_leaves_nothing_after_the_next_start(hub: Hub, tmp_path: Path) -> None:
    hub.hold = threading.Event()
    incoming = tmp_path / "store" / "incoming"
    with subprocess.Popen(
        [sys.executable, "-c", PUBLISHING, str(tmp_path / "store"), REPO], env={**environment(hub)}
    ) as process:
        assert hub.held.wait(30)
        store = LocalStore.open(tmp_path / "store")
        store.clear_incoming()
        assert any(incoming.iterdir()), "somebody is at work on it"
        process.kill()
    store.clear_incoming()
    assert list(incoming.iterdir()) == []


def make_private(hub: Hub, patch: pytest.MonkeyPatch) -> str:
    hub.repos[REPO].private = True
    return REPO


def make_gated(hub: Hub, patch: pytest.MonkeyPatch) -> str:
    hub.repos[REPO] = Repo(gated=True)
    return REPO


def use_wrong_token(hub: Hub, patch: pytest.MonkeyPatch) -> str:
    patch.setenv("HF_TOKEN", "hf_wrong")
    return REPO


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda hub, patch: "acme/unknown", "there is no hf://acme/unknown, or not for this token"),
        (lambda hub, patch: f"{REPO}@nowhere", f"{REPO} has no revision nowhere"),
        (make_private, f"there is no hf://{REPO}, or not for this token"),
        (make_gated, f"hf://{REPO} is gated"),
        (use_wrong_token, f"the hub does not know the token for hf://{REPO}"),
    ],
)
def test_what_is_private_looks_like_what_is_not_there_and_the_log_says_which(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Hub, pytest.MonkeyPatch], str],
    why: str,
) -> None:
    place = change(hub, monkeypatch)
    assert refusal(SourceError, tmp_path / "to", f"hf://{place}") == (
        f"hf://{place} cannot be fetched: it is not there, or not for this gateway; check the name, or ask an admin to"
        " allow the source with `postil domains sources`"
    )
    assert why in caplog.text


def test_who_may_not_use_the_gateways_token_gets_what_everybody_gets(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    folder = tmp_path / "to"
    folder.mkdir()
    fetch(HubRef(REPO), folder, Patience(1 << 20, 30, threading.Event()), anonymous=True)
    assert {call[2] for call in hub.calls} == {None}
    hub.repos[REPO].private = True
    with pytest.raises(SourceError, match="it is not there, or not for this gateway"):
        fetch(HubRef(REPO), folder, Patience(1 << 20, 30, threading.Event()), anonymous=True)


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (403, SourceError, "is not there, or not for this gateway"),
        (404, SourceError, "is not there, or not for this gateway"),
        (429, HubError, "the hub has had too many requests "),
        (500, HubError, "answered 500"),
        (503, HubError, "answered 503"),
        (204, HubError, "does not answer as a hub does"),
    ],
)
def test_a_hub_that_will_not_is_said_in_one_sentence(
    hub: Hub, tmp_path: Path, status: int, kind: type[RegistryError], says: str
) -> None:
    hub.answer_all = status
    assert says in refusal(kind, tmp_path / "to")


def test_a_hub_that_does_not_answer_is_said_in_one_sentence(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    sentence = refusal(HubError, tmp_path / "to")
    assert sentence.startswith(f"hf://{REPO} was not reached: http://127.0.0.1:9 does not answer (")
    assert sentence.endswith("); check HF_ENDPOINT where the gateway runs, or try again")


def test_offline_mode_is_kept_and_said(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert refusal(SourceError, tmp_path / "to") == (
        f"hf://{REPO} was not reached, because HF_HUB_OFFLINE is set; unset it where the gateway runs"
    )
    assert hub.calls == []


def test_a_full_disk_is_not_blamed_on_the_hub(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("in the way")
    with pytest.raises(OSError, match=os.strerror(17)):
        fetch(HubRef(REPO), tmp_path, Patience(1 << 20, 30, threading.Event()))


def test_every_refusal_of_a_source_is_one_of_an_artifact() -> None:
    assert issubclass(SourceError, ArtifactError)
    assert not issubclass(HubError, ArtifactError)


def test_a_hub_that_names_no_commit_cannot_be_pinned_to_one(hub: Hub, tmp_path: Path) -> None:
    repo = hub.repos[REPO]
    repo.commits["draft"] = repo.commits[repo.branches["main"]]
    repo.branches["main"] = "draft"
    assert refusal(HubError, tmp_path / "to") == (
        f"{hub.url} names no commit of hf://{REPO}; check HF_ENDPOINT where the gateway runs"
    )


def test_a_file_that_is_gone_since_it_was_listed_is_said(hub: Hub, tmp_path: Path) -> None:
    def take_away(content: bytes) -> bytes:
        hub.repos[REPO].commits[hub.repos[REPO].branches["main"]].clear()
        return content

    hub.tamper = take_away
    assert refusal(HubError, tmp_path / "to") == f"a file of hf://{REPO} was listed and is not there; try again"
    assert len(hub.fetched) == 1
