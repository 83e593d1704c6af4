from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from postil.registry.base_model.prepare import local_folder, prepare
from postil.registry.errors import BaseModelError
from tests.fakes.adapters import BASE_ID, MODULES, write_base
from tests.fakes.hub import Hub, serving_hub

ASK = """
import json, sys
from pathlib import Path
from postil.registry.base_model.prepare import local_folder, prepare
from postil.registry.errors import BaseModelError

try:
    base = prepare(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({"id": base.id, "revision": base.revision, "modules": sorted(base.modules),
                      "files": sorted(path.name for path in base.path.iterdir())}))
except BaseModelError as error:
    print(json.dumps({"refused": str(error)}))
"""


def ask(wanted: str, home: Path, endpoint: str) -> Mapping[str, Any]:
    """What ``prepare`` says in a process whose hub is ``endpoint`` and whose cache is under ``home``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf"), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, wanted, str(home)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub that has the tiny base, and beside it what no gateway needs."""
    folder = write_base(tmp_path / "repo")
    for name in ("tokenizer.json", "merges.txt", "chat_template.jinja", "pytorch_model.bin", "model.gguf", "README.md"):
        (folder / name).write_text(name)  # no two alike: the hub's client fetches equal files once
    with serving_hub() as hub:
        hub.add(BASE_ID, folder)
        yield hub


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "my-base")
    base = prepare(str(folder), tmp_path / "home")
    assert (base.id, base.path, dict(base.modules)) == ("my-base", folder, MODULES)
    assert not (tmp_path / "home").exists()


def test_a_folder_may_be_given_from_here_or_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_base(tmp_path / "my-base")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for wanted in ("my-base", "./my-base", "~/my-base", f"{folder}/../my-base"):
        assert prepare(wanted, tmp_path / "home").path == folder


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r" holds no config\.json with "):
        prepare(str(tmp_path), tmp_path / "home")


@pytest.mark.parametrize("wanted", ["/no/such/folder", "./missing", "a/b/c", "org/na me", "", "~/missing"])
def test_what_is_neither_folder_nor_id_is_refused_without_asking_anybody(
    tmp_path: Path, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BaseModelError) as caught:
        prepare(wanted, tmp_path / "home")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("revision", ["", "@main", "@COMMIT"])
def test_an_id_is_fetched_and_known_by_its_commit(tmp_path: Path, hub: Hub, revision: str) -> None:
    wanted = {"config.json", "model.safetensors", "tokenizer.json", "merges.txt", "chat_template.jinja"}
    commit = hub.repos[BASE_ID].branches["main"]
    found = ask(BASE_ID + revision.replace("COMMIT", commit), tmp_path, hub.url)
    assert found == {"id": BASE_ID, "revision": commit, "modules": sorted(MODULES), "files": sorted(wanted)}
    assert set(hub.fetched) == wanted


def test_what_was_fetched_is_found_again_without_the_hub(tmp_path: Path, hub: Hub) -> None:
    first = ask(BASE_ID, tmp_path, hub.url)
    hub.shutdown()
    hub.server_close()
    assert ask(BASE_ID, tmp_path, hub.url) == first


@pytest.mark.parametrize("revision", ["", "@main"])
def test_a_base_whose_branch_moves_stays_what_it_was_at_the_first_start(
    tmp_path: Path, hub: Hub, revision: str
) -> None:
    first = ask(BASE_ID + revision, tmp_path, hub.url)
    repo = hub.repos[BASE_ID]
    repo.commit({**repo.commits[first["revision"]], "README.md": b"moved"})
    assert ask(BASE_ID + revision, tmp_path, hub.url) == first
    newest = repo.branches["main"]
    assert ask(f"{BASE_ID}@{newest}", tmp_path, hub.url)["revision"] == newest
    assert ask(BASE_ID + revision, tmp_path, hub.url) == first


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_base_whose_noted_revision_cannot_be_read_is_not_fetched_anew(tmp_path: Path, hub: Hub, content: str) -> None:
    ask(BASE_ID, tmp_path, hub.url)
    (tmp_path / "base" / "revisions.json").write_text(content)
    assert "put it back, or delete it" in ask(BASE_ID, tmp_path, hub.url)["refused"]


@pytest.mark.parametrize("wanted", ["tiny/unknown", f"{BASE_ID}@nowhere"])
def test_an_unknown_id_is_refused_in_one_sentence(tmp_path: Path, hub: Hub, wanted: str) -> None:
    sentence = ask(wanted, tmp_path, hub.url)["refused"]
    assert sentence.startswith(f"{wanted} could not be fetched from the hub (")
    assert sentence.endswith("; check the name, HF_TOKEN and HF_ENDPOINT, or give a folder")
    assert "\n" not in sentence
    assert len(sentence) < 400


def test_a_hub_that_does_not_answer_is_said_in_one_sentence(tmp_path: Path) -> None:
    sentence = ask(BASE_ID, tmp_path, "http://127.0.0.1:9")["refused"]
    assert sentence.startswith(f"{BASE_ID} could not be fetched from the hub (")
    assert "\n" not in sentence


def test_a_repository_without_safetensors_is_refused(tmp_path: Path, hub: Hub) -> None:
    hub.add(BASE_ID, {"config.json": b"{}"})
    assert " holds no config.json with *.safetensors; " in ask(BASE_ID, tmp_path, hub.url)["refused"]


def test_a_base_that_is_prepared_already_is_found(tmp_path: Path) -> None:
    assert local_folder(None, tmp_path) is None
    assert local_folder("org/name", tmp_path) is None
    (tmp_path / "base" / "SmolLM2-135M-Instruct").mkdir(parents=True)
    assert local_folder(None, tmp_path) == tmp_path / "base" / "SmolLM2-135M-Instruct"
    assert local_folder(str(tmp_path), tmp_path) == tmp_path
