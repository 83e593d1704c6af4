"""What is asked, answered and shown as a key stands in no log, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.fakes.vllm import Reply
from tests.gateway.conftest import House, bearer

# What the client of this test says, and the access log, which `postil serve` turns off.
CLIENTS = ("httpx", "httpcore", "uvicorn.access")
PROMPT, ANSWER, KEY = "MARKED-PROMPT-5f1c", "MARKED-ANSWER-77ab", "MARKED-KEY-90de"


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every logger's every record, those of uvicorn and asyncio among them."""
    caplog.set_level(logging.DEBUG)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "aiohttp", "postil"):
        caplog.set_level(logging.DEBUG, logger=name)
        logging.getLogger(name).propagate = True
    return caplog


def written(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, with the tracebacks, as a handler would write it."""
    form = logging.Formatter("%(name)s %(levelname)s %(message)s")
    ours = [record for record in caplog.records if not record.name.startswith(CLIENTS)]
    return "\n".join(form.format(record) for record in ours)


def breaks(body: dict[str, Any]) -> Reply:
    """What an engine does that fails in the middle of a marked request."""
    raise RuntimeError("the engine fails here")


async def test_no_log_holds_a_prompt_an_answer_or_a_key(
    house: House, clinic: str, everything: pytest.LogCaptureFixture
) -> None:
    house.engine.reply = lambda body: Reply(ANSWER)
    for model in ("healthcare", "base", PROMPT):
        await house.ask(clinic, PROMPT, model=model)
        await house.ask(clinic, PROMPT, model=model, stream=True)
    await house.ask(KEY, PROMPT)
    house.engine.break_off_after = 1
    await house.ask(clinic, PROMPT, model="base")
    house.engine.reply = breaks
    for model in ("healthcare", "base"):
        await house.ask(clinic, PROMPT, model=model)
    raw = [f'{{"messages": "{PROMPT}'.encode(), f'{{"{PROMPT}": 1e999}}'.encode(), f'["{PROMPT}"]'.encode()]
    for broken in raw:
        await house.client.post("/v1/chat/completions", content=broken, headers=bearer(clinic))
        await house.client.post("/v1/chat/completions", content=broken, headers=bearer(KEY))
    await house.client.get(f"/api/v1/status?key={KEY}", headers=bearer(KEY))
    await house.admin("POST", "/api/v1/tenants", json={"name": PROMPT, "domains": [1]})
    await not_http(house, f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {KEY}\r\n{PROMPT}\r\n\r\n")
    log = written(everything)
    assert "engine" in log, "the logs are read: something that went wrong stands in them"
    for marked in (PROMPT, ANSWER, KEY, clinic, house.admin_key):
        assert marked not in log


async def not_http(house: House, text: str) -> None:
    """Send what is no HTTP."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(text.encode())
    assert b" 400 " in await reader.read()
    writer.close()
