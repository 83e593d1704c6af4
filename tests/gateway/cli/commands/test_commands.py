"""The command, as a user runs it: against a gateway on a real port, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.fakes.adapters import write_adapter
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House

POSTIL = Path(sys.executable).parent / "postil"


async def postil(house: House | None, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the command; returns its exit status, what it said, and its complaints."""
    known = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    if house is not None:
        known |= {"POSTIL_HOME": str(house.folder / "home"), "POSTIL_PORT": house.url.rpartition(":")[2]}
    process = await asyncio.create_subprocess_exec(
        str(POSTIL), *arguments, env=known, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), complaints.decode()


async def test_a_release_lives_its_life_through_the_command(house: House, tmp_path: Path) -> None:
    first, second = write_adapter(tmp_path / "one"), write_adapter(tmp_path / "two", seed=1)
    policy = tmp_path / "policy.yaml"
    policy.write_text(TRIAGE)
    name = "healthcare/triage"
    status, out, complaints = await postil(
        house, "publish", str(first), "--adapter", name, "--policy", str(policy), "--note", "the first", "--promote"
    )
    assert (status, out) == (0, f"published {name}@1; it is live\n"), complaints
    _, out, _ = await postil(house, "publish", str(second), "--adapter", name, "--note", "the second")
    assert out == f"published {name}@2; make it live with `postil promote {name}@2`\n"
    assert (await postil(house, "promote", f"{name}@2", "--reason", "better"))[1] == f"{name}@2 is live\n"
    assert (await postil(house, "rollback", name, "--reason", "worse after all"))[1] == f"{name}@1 is live\n"
    _, out, _ = await postil(house, "releases", name)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [f"{name}@2", f"{name}@1"]
    assert "live" in lines[2]
    assert "the second" in out
    assert "worse after all" in out
    state = json.loads((await postil(house, "releases", name, "--json"))[1])
    assert state["live"] == 1
    assert [event["action"] for event in state["events"]] == ["publish", "promote", "publish", "promote", "rollback"]
    assert "@" in state["events"][0]["actor"]


async def test_the_same_thing_published_twice_is_said_to_be_the_same(house: House, tmp_path: Path) -> None:
    source = write_adapter(tmp_path / "one")
    await postil(house, "publish", str(source), "--adapter", "legal/notes")
    status, out, _ = await postil(house, "publish", str(source), "--adapter", "legal/notes")
    assert (status, out) == (0, "legal/notes@1 is the same adapter with the same policy; nothing was published\n")


async def test_tenants_are_added_listed_and_removed(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    _, out, _ = await postil(house, "tenants", "add", "firm", "--domain", "legal")
    key = out.splitlines()[-1]
    assert (await house.ask(key)).status_code == 200
    _, out, _ = await postil(house, "tenants", "list")
    assert "firm" in out
    assert key not in out
    assert (await postil(house, "tenants", "remove", "firm"))[0] == 0
    assert (await house.ask(key)).status_code == 401


async def test_status_and_plugins_show_what_there_is(house: House, clinic: str) -> None:
    _, out, _ = await postil(house, "status")
    assert "engine: ready" in out
    assert "healthcare/triage@1" in out
    components = json.loads((await postil(house, "plugins", "--json"))[1])["data"]
    assert {component["name"] for component in components} >= {"labels", "confidence", "fixed_answer"}


async def test_an_empty_registry_says_how_to_begin(house: House) -> None:
    assert "postil publish" in (await postil(house, "releases"))[1]
    assert json.loads((await postil(house, "releases", "--json"))[1]) == {"data": [], "next": None}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("promote", "healthcare/triage"), "such as healthcare/triage@4"),
        (("rollback", "triage"), "such as healthcare/triage"),
        (("rollback", "healthcare/none"), "there is no adapter healthcare/none"),
        (("publish", "/nonexistent", "--adapter", "a/b"), "is not a folder"),
        (("publish", ".", "--adapter", "a/b", "--policy", "/nonexistent.yaml"), "cannot be read"),
        (("tenants", "remove", "nobody"), "there is no tenant 'nobody'"),
        (("promte", "a/b@1"), "promote"),
        (("publish", "."), "--adapter"),
        (("rollback", "a/b", "--to", "two"), "integer"),
    ],
)
async def test_a_wrong_argument_is_told_what_would_be_right(
    house: House, arguments: tuple[str, ...], says: str
) -> None:
    status, _, complaints = await postil(house, *arguments)
    assert status in (1, 2)
    assert says in complaints
    assert "Traceback" not in complaints


async def test_without_a_gateway_it_says_how_to_start_one(tmp_path: Path) -> None:
    status, _, complaints = await postil(
        None, "releases", POSTIL_ADMIN_KEY="x", POSTIL_URL="http://127.0.0.1:9", POSTIL_HOME=str(tmp_path)
    )
    assert status == 1
    assert "postil serve" in complaints
    _, _, complaints = await postil(None, "releases", POSTIL_HOME=str(tmp_path))
    assert "POSTIL_ADMIN_KEY" in complaints


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("serve",),
        ("publish",),
        ("export",),
        ("promote",),
        ("rollback",),
        ("releases",),
        ("train",),
        ("tenants",),
        ("tenants", "add"),
        ("keys",),
        ("keys", "add"),
        ("keys", "rotate"),
        ("log",),
        ("audit", "verify"),
        ("status",),
        ("plugins",),
    ],
)
async def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    status, out, _ = await postil(None, *command, "--help")
    assert status == 0
    assert "Usage: postil" in out
    assert len(out.splitlines()) > 5


async def test_the_log_tells_what_was_done_and_what_was_live_when(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    await house.publish("legal/notes", FREE_TEXT, seed=1)
    events = json.loads((await postil(house, "log", "legal/notes", "--json"))[1])["data"]
    assert [(event["action"], event["to"]) for event in events] == [
        ("promote", 2),
        ("publish", 2),
        ("promote", 1),
        ("publish", 1),
    ]
    _, out, _ = await postil(house, "log")
    assert "1 -> 2" in out
    between = events[1]["at"]
    found = json.loads((await postil(house, "releases", "--at", between, "--json"))[1])
    live = {"adapter": "legal/notes", "release": "legal/notes@1", "number": 1}
    assert found == {"data": [live], "next": None}
    assert "nothing was live" in (await postil(house, "releases", "--at", "2001-01-01"))[1]
    assert "such as 2026-11-01T12:00" in (await postil(house, "releases", "--at", "yesterday"))[2]


async def test_an_edited_row_is_found(house: House) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    status, out, _ = await postil(house, "audit", "verify")
    assert (status, " ".join(out.split())) == (
        0,
        "2 events, every one follows from the one before it, and they agree with the releases, channels, pins, tenants,"
        " keys and webhooks, and the domains' defaults, freezes, sources, quotas and signing keys",
    )
    with house.runtime.registry.database().write() as session:
        session.connection().exec_driver_sql("UPDATE event SET actor = 'nobody' WHERE sequence = 1")
    status, _, complaints = await postil(house, "audit", "verify")
    assert status == 1
    assert "event 1" in complaints


async def test_of_two_people_who_promote_at_once_one_is_told(house: House) -> None:
    for seed in range(3):
        await house.publish("legal/notes", FREE_TEXT, seed=seed, live=seed == 0)
    both = await asyncio.gather(
        *(postil(house, "promote", f"legal/notes@{number}", "--if-live", "1") for number in (2, 3))
    )
    assert sorted(status for status, _, _ in both) == [0, 1]
    assert "decide again" in next(complaints for status, _, complaints in both if status == 1)


async def test_a_command_does_not_wait_for_what_only_a_gateway_or_training_needs() -> None:
    slow = ["aiohttp", "alembic", "huggingface_hub", "litestar", "numpy", "sqlalchemy", "torch", "uvicorn", "yaml"]
    script = f"import sys, postil.gateway.cli.main; print([name for name in {slow} if name in sys.modules])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode().strip() == "[]"
