"""Pages of other origins: only those that a setting names, and only under ``/v1``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.settings import read_settings
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, running_house

ORIGIN = "https://app.example.com"
ASKS = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
OF_A_CLIENT = "authorization,content-type,x-stainless-lang"


@pytest.fixture
async def opened(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway that one origin may ask."""
    async with running_house(tmp_path, *engine_at, cors_origins=(ORIGIN, "http://localhost:3000")) as house:
        await house.publish("healthcare/triage")
        yield house


def cross(headers: object) -> list[str]:
    """The names of the headers that browsers look at."""
    return [name for name in dict(headers) if name.startswith("access-control-")]  # type: ignore[call-overload]


async def test_a_browser_may_ask_whether_a_page_may_ask(opened: House) -> None:
    for path in ("/v1/chat/completions", "/v1/models", "/v1/reviews/1"):
        headers = {**ASKS, "Access-Control-Request-Headers": OF_A_CLIENT}
        answer = await opened.client.options(path, headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-headers"] == OF_A_CLIENT
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["vary"] == "origin"
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_reads_the_answer_and_what_is_said_beside_it(opened: House) -> None:
    key = await opened.tenant("clinic", "healthcare")
    body = {"messages": [{"role": "user", "content": "x"}]}
    answer = await opened.client.post("/v1/chat/completions", headers={**bearer(key), "Origin": ORIGIN}, json=body)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-postil-release", "x-request-id", "retry-after"} <= {*exposed}


async def test_a_page_reads_errors_too(opened: House) -> None:
    for path in ("/v1/models", "/v1/nothing", "/v1/chat/completions"):
        answer = await opened.client.get(path, headers={"Origin": ORIGIN})
        assert answer.status_code >= 400
        assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_a_page_of_another_origin_may_not(opened: House) -> None:
    for origin in ("https://elsewhere.example.com", "null", "http://app.example.com", ORIGIN + ":8443", ""):
        for method in ("OPTIONS", "GET"):
            answer = await opened.client.request(method, "/v1/models", headers={**ASKS, "Origin": origin})
            assert cross(answer.headers) == [], method
            assert answer.headers["vary"] == "origin", "a cache must not give one page's answer to another"


async def test_nothing_but_v1_is_for_pages(opened: House) -> None:
    for path in ("/api/v1/status", "/health/live", "/"):
        for method in ("OPTIONS", "GET"):
            answer = await opened.client.request(method, path, headers=ASKS | bearer(opened.admin_key))
            assert cross(answer.headers) == []


async def test_names_of_headers_that_are_none_are_not_said_back(opened: House) -> None:
    for names in ("a\tb", "x" * 5000, "a(b)"):
        answer = await opened.client.options("/v1/models", headers={**ASKS, "Access-Control-Request-Headers": names})
        assert "access-control-allow-headers" not in answer.headers


async def test_no_origin_is_let_in_unless_told(house: House) -> None:
    for method in ("OPTIONS", "GET"):
        answer = await house.client.request(method, "/v1/models", headers=ASKS)
        assert cross(answer.headers) == []
        assert "vary" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*.example.com", "app.example.com", "https://app.example.com/", "https://app.example.com:443",
     "HTTPS://app.example.com", "ftp://app.example.com", "https://user@app.example.com", "null", "https://:443",
     "https://app.example.com:x"],
)  # fmt: skip
def test_an_origin_that_no_browser_sends_is_refused(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTIL_CORS_ORIGINS", f'["{origin}"]')
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        read_settings()
