"""Control characters are refused in everything that people write, before anything has changed."""

from __future__ import annotations

import pytest

from tests.fakes.adapters import write_adapter
from tests.gateway.conftest import FREE_TEXT, House

HOSTILE = "\x1b]52;c;cm0K\x07"
PATH = "/api/v1/adapters/legal/notes"


@pytest.mark.parametrize("text", [HOSTILE, "\x9b31m", "two\nlines"])
async def test_control_characters_in_a_reason_are_refused(house: House, text: str) -> None:
    await house.publish("legal/notes", FREE_TEXT)
    second = await house.publish("legal/notes", FREE_TEXT, seed=1, live=False)
    answer = await house.admin("POST", f"{PATH}/promote", json={"release": second, "reason": text})
    assert answer.status_code == 400, answer.text
    assert "the reason holds a control character" in answer.json()["detail"]
    assert (await house.admin("GET", PATH)).json()["live"] == 1


async def test_control_characters_in_notes_are_refused_and_lines_are_not(house: House) -> None:
    source = write_adapter(house.folder / "one")
    key = {"owner": "ann", "role": "viewer", "note": HOSTILE}
    refused = await house.admin("POST", "/api/v1/keys", json=key)
    assert (refused.status_code, "control character" in refused.text) == (400, True)
    assert (await house.admin("POST", "/api/v1/keys", json={**key, "note": "one\n\ttwo"})).status_code == 201
    assert (await house.upload("legal/notes", source)).status_code == 201
    assert (await house.admin("GET", "/api/v1/audit")).json()["first_break"] is None


@pytest.mark.parametrize("name", [b"ann\x9b31m", b"ann\xc2\x9b31m"])
async def test_control_characters_in_the_name_of_who_acts_are_refused(house: House, name: bytes) -> None:
    headers = [(b"authorization", f"Bearer {house.admin_key}".encode()), (b"x-postil-actor", name)]
    answer = await house.client.post("/api/v1/tenants", headers=headers, json={"name": "firm", "domains": ["legal"]})
    assert (answer.status_code, "name of who did it" in answer.text) == (400, True)
    assert (await house.admin("GET", "/api/v1/tenants")).json()["data"] == []
