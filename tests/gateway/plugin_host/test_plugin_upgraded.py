"""An installed plugin is upgraded under releases that were published with the version before."""

from __future__ import annotations

import importlib
import logging
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House, bearer, running_house
from tests.gateway.plugin_host.test_installed_plugin import PACKAGE, POLICY, SAID
from tests.plugins.installed import copied, install

LENIENT = POLICY % "fallback"
STRICT = "pinned: strict\n" + LENIENT
CHANGED = "legal-citations: 3 -> 4"
Engine = tuple[FakeVLLM, str]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The package in two versions, each installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("stranger")
    first = install(copied(folder / "one"), folder / "installed-1")
    source = copied(folder / "two")
    for path, before, after in (
        (source / "pyproject.toml", '"1.2.0"', '"2.0.0"'),
        (source / "src" / PACKAGE / "citations.py", 'version = "3"', 'version = "4"'),
    ):
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
    return {1: first, 2: install(source, folder / "installed-2")}


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """A folder on the path, and nothing of it left behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@asynccontextmanager
async def gateway_with(package: Path, folder: Path, engine: Engine) -> AsyncIterator[House]:
    """A gateway with one version of the package beside it."""
    with installed(package):
        async with running_house(folder, *engine, installed=True) as house:
            house.engine.reply = lambda body: Reply(SAID)
            yield house


@pytest.fixture
async def upgraded(
    tmp_path: Path, engine_at: Engine, versions: dict[int, Path], caplog: pytest.LogCaptureFixture
) -> AsyncIterator[House]:
    """Published and served with version 1; the gateway is started again with version 2."""
    async with gateway_with(versions[1], tmp_path, engine_at) as house:
        await house.publish("legal/clause", LENIENT)
        await house.publish("legal/notes", STRICT)
        key = await house.tenant("firm", "legal")
        for model in ("legal/clause", "legal/notes"):
            assert (await house.ask(key, model=model)).status_code == 200
    caplog.set_level(logging.WARNING)
    async with gateway_with(versions[2], tmp_path, engine_at) as house:
        yield house


async def a_key(house: House) -> str:
    """A key of another tenant."""
    return await house.tenant("court", "legal")


async def row(house: House, adapter: str, number: int = 1) -> dict[str, Any]:
    """A release as the admin API shows it."""
    found = (await house.admin("GET", f"/api/v1/adapters/{adapter}")).json()["releases"]
    return next(dict(each) for each in found if each["number"] == number)


async def publish_again(house: House, adapter: str, policy: str) -> dict[str, Any]:
    """Publish what was published before."""
    response = await house.upload(adapter, write_adapter(house.folder / uuid.uuid4().hex), policy)
    assert response.status_code in (200, 201), response.text
    return dict(response.json())


async def test_an_old_release_that_is_judged_by_a_newer_plugin_says_so(
    upgraded: House, caplog: pytest.LogCaptureFixture
) -> None:
    response = await upgraded.ask(await a_key(upgraded), model="legal/clause")
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "held back"
    found = (await row(upgraded, "legal/clause"))["mismatches"]
    assert found[1] == {
        "kind": "validator",
        "name": "legal-citations",
        "recorded": {
            "version": "3", "distribution": "postil-legal-citations", "distribution_version": "1.2.0"
        },
        "installed": {
            "version": "4", "distribution": "postil-legal-citations", "distribution_version": "2.0.0"
        },
    }  # fmt: skip
    assert [one["name"] for one in found] == ["legal-privileged", "legal-citations"]
    logged = [record.getMessage() for record in caplog.get_records("setup")]
    said = [text for text in logged if "legal/clause@1 is served with another plugin" in text]
    assert len([text for text in said if "legal-citations was published with version 3 of" in text]) == 1


async def test_status_releases_and_diff_show_which_plugin_is_another_one(upgraded: House) -> None:
    status = (await upgraded.admin("GET", "/api/v1/status")).json()["adapters"]
    assert [len(each["mismatches"]) for each in status] == [2, 2]
    await publish_again(upgraded, "legal/clause", LENIENT)
    for command in (("status",), ("releases", "legal/clause"), ("diff", "legal/clause@2")):
        code, out, complaints = await postil(upgraded, *command)
        assert code == 0, complaints
        assert CHANGED in out
    found = (await upgraded.admin("GET", "/api/v1/diff", params={"to": "legal/clause@2"})).json()
    assert (len(found["from"]["mismatches"]), found["to"]["mismatches"]) == (2, [])
    assert [change["path"] for change in found["policy"]] == [
        "input[legal-privileged], package", "validators[legal-citations], version",
        "validators[legal-citations], package",
    ]  # fmt: skip


async def test_a_release_pinned_strictly_is_not_served_by_another_version(upgraded: House) -> None:
    response = await upgraded.ask(await a_key(upgraded), model="legal/notes")
    assert response.status_code == 503
    assert "legal/notes@1 cannot be served on this gateway now" in response.text
    problem = (await row(upgraded, "legal/notes"))["problem"]
    assert (
        "legal-citations was published with version 3 of postil-legal-citations 1.2.0, and installed is version 4 of"
        " postil-legal-citations 2.0.0: install what it was published with, or publish it again" in problem
    )
    promoted = await upgraded.admin("POST", "/api/v1/adapters/legal/notes/promote", json={"release": 1})
    assert promoted.status_code == 422
    assert "pinned: strict" in promoted.text


async def test_published_again_with_the_newer_plugin_it_is_another_release(upgraded: House) -> None:
    made = await publish_again(upgraded, "legal/notes", STRICT)
    assert (made["number"], made["created"], made["mismatches"]) == (2, True, [])
    again = await publish_again(upgraded, "legal/notes", STRICT)
    assert (again["number"], again["created"]) == (2, False)
    await upgraded.admin("POST", "/api/v1/adapters/legal/notes/promote", json={"release": 2})
    key = await a_key(upgraded)
    assert (await upgraded.ask(key, model="legal/notes")).status_code == 200
    assert (await upgraded.client.get("/v1/models", headers=bearer(key))).status_code == 200


async def test_with_the_old_version_installed_again_the_old_release_is_found_and_served(
    tmp_path: Path, engine_at: Engine, versions: dict[int, Path]
) -> None:
    async with gateway_with(versions[1], tmp_path, engine_at) as house:
        await house.publish("legal/notes", STRICT)
    async with gateway_with(versions[2], tmp_path, engine_at) as house:
        assert (await publish_again(house, "legal/notes", STRICT))["number"] == 2
    async with gateway_with(versions[1], tmp_path, engine_at) as house:
        assert (await house.ask(await a_key(house), model="legal/notes")).status_code == 200
        bar = await house.tenant("bar", "legal", rights=["numbers"])
        assert (await house.ask(bar, model="legal/notes@2")).status_code == 503
