"""``postil publish``, as a user runs it: folders, archives, and places on a hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
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
    assert out == "published legal/notes@1, with the policy.yaml from its folder; it is live\nleft out: README.md\n"
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
        ("tests", "tests holds no adapter_config.json; publish what PEFT's save_pretrained has written"),
    ],
)
async def test_what_is_nothing_to_publish_is_said_in_one_sentence(house: House, hub: Hub, path: str, says: str) -> None:
    status, out, complaints = await postil(house, "publish", path, *NAME)
    assert (status, out) == (1, "")
    assert says in complaints
    assert len(complaints.splitlines()) == 1


def trained(folder: Path) -> Path:
    """The folder that a Trainer leaves: the adapter, its checkpoints, and what it needs to go on."""
    out = write_adapter(folder)
    for name in ("optimizer.pt", "rng_state.pth", "training_args.bin", "trainer_state.json", "README.md", "loss.png"):
        (out / name).write_bytes(b"\x80")
    for name in (".gitattributes", "special_tokens_map.json", "vocab.json"):
        (out / name).write_text("{}")
    write_adapter(out / "checkpoint-10", seed=7)
    (out / "latest").symlink_to("checkpoint-10")
    return out


async def test_the_folder_of_a_trainer_is_published_and_what_was_left_out_is_one_line(
    house: House, tmp_path: Path
) -> None:
    out_folder = trained(tmp_path / "out")
    status, out, complaints = await postil(house, "publish", str(out_folder), *NAME)
    assert (status, out) == (
        0,
        "published legal/notes@1; make it live with `postil promote legal/notes@1`\n"
        "left out: .gitattributes, README.md, checkpoint-10/, latest/, loss.png, optimizer.pt, rng_state.pth,"
        " special_tokens_map.json and 3 more\n",
    ), complaints
    _, out, _ = await postil(house, "publish", str(out_folder), *NAME, "--json")
    assert len(json.loads(out)["left_out"]) == 11


@pytest.mark.parametrize("separator", ["/", "\\"])
async def test_a_zip_of_all_of_it_is_published_too_with_backslashes_as_well(
    house: House, tmp_path: Path, separator: str
) -> None:
    folder = trained(tmp_path / "out")
    paths = [path for path in folder.rglob("*") if path.is_file() and "latest" not in path.parts]
    files = {f"out/{path.relative_to(folder)}".replace("/", separator): path.read_bytes() for path in paths}
    (tmp_path / "a.zip").write_bytes(KINDS["zip"](files))
    status, out, complaints = await postil(house, "publish", str(tmp_path / "a.zip"), *NAME, "--json")
    assert status == 0, complaints
    made = json.loads(out)
    assert {"checkpoint-10/", "loss.png", "optimizer.pt"} <= set(made["left_out"])
    assert "same adapter" in (await postil(house, "publish", str(folder), *NAME))[1]


async def test_a_folder_of_checkpoints_alone_says_which_there_are(house: House, tmp_path: Path) -> None:
    for step in (10, 20):
        write_adapter(tmp_path / "out" / f"checkpoint-{step}")
    status, _, complaints = await postil(house, "publish", str(tmp_path / "out"), *NAME)
    assert status == 1
    assert complaints == (
        f"error: {tmp_path}/out holds no adapter_config.json itself, but checkpoint-10, checkpoint-20 do in it; publish"
        " a folder that does\n"
    )


async def test_a_clone_whose_large_files_were_not_fetched_is_called_so(house: House, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "clone")
    (folder / "adapter_model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:a\n")
    status, _, complaints = await postil(house, "publish", str(folder), *NAME)
    assert status == 1
    assert complaints == (
        "error: adapter_model.safetensors is a Git LFS pointer, and what it stands for was not fetched; run `git lfs"
        " pull`\n"
    )


async def test_a_folder_of_a_repository_is_published(house: House, hub: Hub, tmp_path: Path) -> None:
    files = hub.repos[REPO].commits[hub.repos[REPO].branches["main"]]
    commit = hub.add("acme/runs", {f"checkpoint-10/{name}": content for name, content in files.items()})
    status, out, complaints = await postil(house, "publish", "hf://acme/runs/checkpoint-10", *NAME, "--json")
    assert status == 0, complaints
    assert json.loads(out)["source"] == f"hf://acme/runs/checkpoint-10@{commit}"


async def test_publish_with_promote_twice_is_done_once_and_says_what_is_there(house: House, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "notes")
    command = ("publish", str(folder), *NAME, "--promote")
    assert (await postil(house, *command))[:2] == (0, "published legal/notes@1; it is live\n")
    assert (await postil(house, *command))[:2] == (
        0, "legal/notes@1 is the same adapter with the same policy; nothing was published; it is live\n",
    )  # fmt: skip
    status, out, _ = await postil(house, *command, "--json")
    assert (status, json.loads(out)["created"], json.loads(out)["live"]) == (0, False, True)
    state = json.loads((await postil(house, "releases", "legal/notes", "--json"))[1])
    assert [event["action"] for event in state["events"]] == ["publish", "promote"]


async def test_the_same_again_is_made_live_where_it_is_not(house: House, tmp_path: Path) -> None:
    one, two = write_adapter(tmp_path / "one"), write_adapter(tmp_path / "two", seed=1)
    await postil(house, "publish", str(one), *NAME, "--promote")
    await postil(house, "publish", str(two), *NAME, "--promote")
    _, out, _ = await postil(house, "publish", str(one), *NAME, "--promote")
    assert out.endswith("nothing was published; it is live\n")
    assert json.loads((await postil(house, "releases", "legal/notes", "--json"))[1])["live"] == 1


@pytest.mark.parametrize("as_json", [(), ("--json",)])
async def test_a_promote_that_fails_after_the_publish_says_what_was_done(
    house: House, tmp_path: Path, as_json: tuple[str, ...]
) -> None:
    folder = write_adapter(tmp_path / "notes")
    house.engine.refuse_load = "it is broken"
    status, out, complaints = await postil(house, "publish", str(folder), *NAME, "--promote", *as_json)
    assert status == 1
    assert complaints.startswith(
        "error: legal/notes@1 is published, and --promote failed: legal/notes@1 was left as it"
    )
    assert complaints.endswith("; when that is settled, run `postil promote legal/notes@1`\n")
    if as_json:
        assert (json.loads(out)["created"], json.loads(out)["live"]) == (True, False)
    else:
        assert out == "published legal/notes@1; it is not live\n"


async def test_what_was_not_meant_is_warned_of_at_publish_in_diff_and_in_status(house: House, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "notes")
    (folder / "training.json").write_text(json.dumps({"instruction": "Sort.", "labels": ["a", "b"]}))
    (folder / "policy.yaml").write_text("{system_prompt: Sort it., output: {labels: [a, b]}}")
    _, out, _ = await postil(house, "publish", str(folder), *NAME, "--promote")
    says = "warning: system_prompt is 'Sort it.', and training.json says that the adapter was trained with 'Sort.'; "
    assert out.splitlines()[1].startswith(says)
    made = json.loads((await postil(house, "publish", str(folder), *NAME, "--json"))[1])
    assert made["warnings"] == [out.splitlines()[1].removeprefix("warning: ")]
    _, out, _ = await postil(house, "status")
    assert says.replace("warning: ", "warning: legal/notes@1: ") in out
    status = json.loads((await postil(house, "status", "--json"))[1])
    assert status["adapters"][0]["warnings"] == made["warnings"]
    _, out, _ = await postil(house, "diff", "legal/notes@1", "legal/notes@1")
    assert any(line.startswith("warnings ") and "Sort it." in line for line in out.splitlines())


async def test_a_template_that_differs_is_warned_of_at_publish_and_in_diff(house: House, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "notes")
    (house.folder / "base" / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "chat_template.jinja").write_text("{{ other }}")
    _, out, _ = await postil(house, "publish", str(folder), *NAME)
    assert "\nwarning: the adapter comes with another chat template than the base, " in out
    found = json.loads((await postil(house, "diff", "legal/notes@1", "legal/notes@1", "--json"))[1])
    assert "another chat template" in found["to"]["warnings"][0]


async def test_a_base_of_another_name_needs_base_ok_and_is_logged(house: House, hub: Hub, tmp_path: Path) -> None:
    known = house.runtime.registry.get()  # A base that is a folder has no name that says anything.
    named = replace(known, base=replace(known.base, id="tiny/base"))
    house.runtime.registry.open(named, house.runtime.registry.opened_at)
    folder = write_adapter(tmp_path / "notes", base_model_name_or_path="acme/other")
    hub.add("acme/other", folder)
    for path in (str(folder), "hf://acme/other"):
        status, _, complaints = await postil(house, "publish", path, *NAME)
        assert status == 1
        assert "trained for acme/other" in complaints
        status, out, complaints = await postil(house, "publish", path, *NAME, "--base-ok")
        assert status == 0, complaints
        assert "warning: the adapter was trained for acme/other, and its publisher says that it fits " in out
    events = (await house.admin("GET", "/api/v1/events?adapter=legal/notes")).json()["data"]
    assert events[0]["details"]["base_ok"] == "acme/other"


async def test_what_is_no_flag_is_refused(house: House, tmp_path: Path) -> None:
    archive = KINDS["tar"]({path.name: path.read_bytes() for path in write_adapter(tmp_path / "a").iterdir()})
    response = await house.admin(
        "POST", "/api/v1/adapters/legal/notes/releases", data={"base_ok": "maybe"}, files={"artifact": ("a", archive)}
    )
    assert response.status_code == 400
    assert "base_ok has to be true or false" in response.json()["detail"]
