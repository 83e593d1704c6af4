"""How adapters come in over HTTP: from archives and from a hub, whole or not at all."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.registry.policy.policy import parse_policy
from tests.fakes.adapters import write_adapter
from tests.fakes.hub import Hub
from tests.fakes.hub_client import REPO, asked_hub
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer, running_house, until
from tests.registry.artifacts.archives.handmade import KINDS

ROUTE = "/api/v1/adapters/legal/notes/releases"
SOURCE = f"hf://{REPO}"
PICKLED = {"adapter_config.json": b"{}", "adapter_model.bin": b"1"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with ``acme/triage`` on it, which the gateway asks."""
    with asked_hub(monkeypatch, tmp_path) as hub:
        yield hub


@pytest.fixture
def adapter(tmp_path: Path) -> dict[str, bytes]:
    """The files of a good adapter."""
    return {path.name: path.read_bytes() for path in write_adapter(tmp_path / "adapter").iterdir()}


async def send(house: House, archive: bytes, **fields: str) -> httpx.Response:
    """Publish an archive."""
    return await house.admin("POST", ROUTE, data=fields, files={"artifact": ("whatever", archive)})


async def fetch(house: House, source: str = SOURCE, **fields: str) -> httpx.Response:
    """Publish what lies on the hub."""
    return await house.admin("POST", ROUTE, json={"source": source, **fields})


def detail(response: httpx.Response, status: int) -> str:
    """The one sentence of a refusal."""
    assert response.status_code == status, response.text
    sentence = str(response.json()["detail"])
    assert "\n" not in sentence
    return sentence


async def nothing_is_left(house: House) -> None:
    """No release, no file, and none on its way."""
    await until(lambda: not any((house.folder / "home/artifacts/incoming").iterdir()))
    assert list((house.folder / "home/artifacts/sha256").iterdir()) == []
    assert (await house.admin("GET", "/api/v1/adapters")).json()["data"] == []


async def test_every_kind_of_archive_makes_the_same_release(house: House, adapter: dict[str, bytes]) -> None:
    made = []
    for make in KINDS.values():
        for top in ("", "notes/"):
            made.append(await send(house, make({top + name: content for name, content in adapter.items()})))
    assert [response.status_code for response in made] == [201] * 6
    assert [response.json()["created"] for response in made] == [True, *[False] * 5]
    assert {response.json()["release"] for response in made} == {"legal/notes@1"}
    assert made[0].json()["source"] == ""


@pytest.mark.parametrize("form", [False, True])
async def test_an_adapter_on_a_hub_is_fetched_and_its_commit_kept(house: House, hub: Hub, form: bool) -> None:
    commit = hub.repos[REPO].branches["main"]
    asked: dict[str, Any] = {"source": f"{SOURCE}@main", "note": "from outside", "policy": FREE_TEXT}
    response = await house.admin("POST", ROUTE, **({"data": asked} if form else {"json": asked}))
    assert response.status_code == 201, response.text
    made = response.json()
    assert (made["source"], made["note"], made["created"]) == (f"{SOURCE}@{commit}", "from outside", True)
    artifact = house.runtime.registry.get().artifacts.verified_path(made["artifact"])
    assert {path.name: path.read_bytes() for path in artifact.iterdir()} == hub.repos[REPO].commits[commit]
    state = (await house.admin("GET", "/api/v1/adapters/legal/notes")).json()
    assert state["releases"][0]["source"] == f"{SOURCE}@{commit}"


async def test_the_same_adapter_from_a_hub_and_from_a_folder_is_one_release(
    house: House, hub: Hub, tmp_path: Path
) -> None:
    assert (await house.upload("legal/notes", tmp_path / "on-the-hub")).json()["created"] is True
    assert (await fetch(house)).json()["created"] is False
    assert (await fetch(house)).json()["source"] == ""


async def test_a_release_from_a_hub_answers(house: House, hub: Hub) -> None:
    await fetch(house, policy=FREE_TEXT)
    assert (await house.admin("POST", "/api/v1/adapters/legal/notes/promote", json={"release": 1})).status_code == 200
    answer = await house.ask(await house.tenant("firm", "legal"))
    assert answer.headers["x-postil-release"] == "legal/notes@1"


async def test_the_policy_is_what_was_asked_else_what_lies_there_else_what_is_in_force(
    house: House, adapter: dict[str, bytes]
) -> None:
    alone, beside = KINDS["zip"](adapter), KINDS["zip"]({**adapter, "policy.yaml": TRIAGE.encode()})
    made = [
        (await send(house, beside, policy=FREE_TEXT)).json(),
        (await send(house, beside)).json(),
        (await send(house, alone)).json(),
    ]
    assert [one["policy_from"] for one in made] == ["request", "policy.yaml", "in force"]
    assert made[0]["policy_digest"] == parse_policy(FREE_TEXT).digest()
    assert made[1]["policy_digest"] == made[2]["policy_digest"] == parse_policy(TRIAGE).digest()
    assert [one["created"] for one in made] == [True, True, False]


async def test_a_policy_beside_an_adapter_on_a_hub_is_taken(house: House, hub: Hub) -> None:
    repo = hub.repos[REPO]
    repo.commit({**repo.commits[repo.branches["main"]], "policy.yaml": TRIAGE.encode(), "README.md": b"# x"})
    assert (await fetch(house)).json()["policy_digest"] == parse_policy(TRIAGE).digest()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ({}, 400, "or its place on a hub in `source`"),
        ({"data": {"note": "x"}}, 400, "or its place on a hub in `source`"),
        ({"data": {"source": SOURCE}, "files": {"artifact": ("x", b"x")}}, 400, "send the adapter as a tar"),
        ({"data": {"artifact": "x"}}, 400, "send the adapter as a tar"),
        ({"json": {"source": "acme/triage"}}, 400, "is not an address on a hub"),
        ({"json": {"source": SOURCE, "revision": "x"}}, 400, "unknown field `revision`"),
        ({"json": {}}, 400, "required field `source`"),
        ({"json": {"source": SOURCE, "policy": "x: 1"}}, 422, "policy: there is no key 'x'; known are "),
        ({"content": b"{", "type": "application/json"}, 400, "cannot be understood"),
        ({"content": b"--x", "type": "multipart/form-data; boundary=x"}, 400, "is not a whole form"),
        ({"files": {"artifact": ("x", b"no archive")}}, 422, "is not a whole tar, tar.gz or zip"),
        ({"files": {"artifact": ("x", KINDS["zip"]({"../x": b"1"}))}}, 422, "leads out of the folder"),
        ({"files": {"artifact": ("x", KINDS["tar.gz"](PICKLED))}}, 422, "adapter_model.bin, a pickle"),
        ({"files": {"artifact": ("x", gzip.compress(bytes(40 << 20)))}}, 422, "unpacks to more than 1 MiB"),
        ({"files": {"artifact": ("x", KINDS["zip"]({"training.json": bytes(2 << 20)}))}}, 422, "larger than 1 MiB"),
        ({"files": {"artifact": ("x", bytes(3 << 20))}}, 413, "raise POSTIL_UPLOAD_LIMIT_MIB"),
    ],
)
async def test_what_cannot_be_published_is_refused_and_leaves_nothing(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], arguments: dict[str, Any], status: int, says: str
) -> None:
    async with running_house(tmp_path, *engine_at, upload_limit_mib=1) as house:
        headers = bearer(house.admin_key)
        if "type" in arguments:
            headers["content-type"] = arguments["type"]
        rest = {name: value for name, value in arguments.items() if name != "type"}
        response = await house.client.post(ROUTE, headers=headers, **rest)
        assert says in detail(response, status)
        await nothing_is_left(house)


@pytest.mark.parametrize(
    ("source", "status", "says"),
    [
        ("hf://acme/unknown", 422, "it is not there, or not for this gateway"),
        (f"{SOURCE}@nowhere", 422, "it is not there, or not for this gateway"),
        ("hf://acme/pickled", 422, "adapter_model.bin, a pickle"),
        ("hf://acme/other", 422, "r is 99"),
    ],
)
async def test_what_the_hub_does_not_have_is_refused_and_leaves_nothing(
    house: House, hub: Hub, tmp_path: Path, source: str, status: int, says: str
) -> None:
    hub.add("acme/pickled", {"adapter_config.json": b"{}", "adapter_model.bin": b"x"})
    hub.add("acme/other", write_adapter(tmp_path / "other", rank=99))
    response = await fetch(house, source)
    assert says in detail(response, status).replace("rank is", "r is")
    await nothing_is_left(house)


async def test_a_hub_that_fails_is_not_blamed_on_who_asked(house: House, hub: Hub) -> None:
    hub.answer_all = 503
    assert "answered 503" in detail(await fetch(house), 502)
    await nothing_is_left(house)


async def test_a_slow_hub_is_given_up(tmp_path: Path, engine_at: tuple[FakeVLLM, str], hub: Hub) -> None:
    hub.hold = threading.Event()
    async with running_house(tmp_path, *engine_at, hub_timeout_seconds=0.2) as house:
        assert "raise POSTIL_HUB_TIMEOUT_SECONDS" in detail(await fetch(house), 502)
        await nothing_is_left(house)


# Litestar leaves the file of a part that it has not read whole to the interpreter, which closes it at once.
@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")
async def test_an_upload_that_is_cut_off_leaves_nothing(house: House, adapter: dict[str, bytes]) -> None:
    request = house.client.build_request(
        "POST", ROUTE, headers=bearer(house.admin_key), files={"artifact": ("x", KINDS["tar"](adapter))}
    )
    head = f"POST {ROUTE} HTTP/1.1\r\n".encode() + b"".join(b"%b: %b\r\n" % pair for pair in request.headers.raw)
    _, writer = await asyncio.open_connection("127.0.0.1", request.url.port)
    body = await request.aread()
    writer.write(head + b"\r\n" + body[: len(body) // 2])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await nothing_is_left(house)
    assert (await send(house, KINDS["tar"](adapter))).status_code == 201


async def test_a_client_that_leaves_takes_its_publish_with_it(house: House, hub: Hub) -> None:
    hub.hold = threading.Event()
    asking = asyncio.create_task(fetch(house))
    assert await asyncio.to_thread(hub.held.wait, 30)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await asyncio.to_thread(hub.left.wait, 30)
    await nothing_is_left(house)


async def test_a_download_holds_nobody_up(house: House, hub: Hub) -> None:
    hub.hold = threading.Event()
    asking = asyncio.create_task(fetch(house))
    assert await asyncio.to_thread(hub.held.wait, 30)
    assert await house.publish("healthcare/triage") == 1
    assert not asking.done()
    hub.hold.set()
    assert (await asking).status_code == 201


async def test_a_gateway_that_ends_ends_its_downloads(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], hub: Hub
) -> None:
    hub.hold = threading.Event()
    async with running_house(tmp_path, *engine_at) as house:
        asking = asyncio.create_task(fetch(house))
        assert await asyncio.to_thread(hub.held.wait, 30)
    await asyncio.gather(asking, return_exceptions=True)
    assert await asyncio.to_thread(hub.left.wait, 30)
    assert list((tmp_path / "home/artifacts/incoming").iterdir()) == []
    assert list((tmp_path / "home/artifacts/sha256").iterdir()) == []
