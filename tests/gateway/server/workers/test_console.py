"""The console with workers: they pass its requests on to the primary, which knows the sessions."""

from __future__ import annotations

from tests.gateway.api.console.conftest import Browser
from tests.gateway.conftest import House
from tests.gateway.server.workers.conftest import NAME
from tests.support.plain_http import plain_client


async def test_any_worker_takes_a_login_a_page_and_a_form(pooled: House) -> None:
    await pooled.publish(NAME)
    await pooled.publish(NAME, seed=1, live=False)
    cookies = ""
    for path, fields in (
        ("/console/login", {"key": pooled.admin_key}),
        (f"/console/adapters/{NAME}/promote", {"release": "2", "seen": "1", "canary": "0", "reason": "x"}),
        *((f"/console/adapters/{NAME}", {}) for _ in range(4)),
    ):
        # Another connection each time, which another worker may take.
        async with plain_client(pooled.url, headers={"Cookie": cookies}) as client:
            browser = Browser(client)
            answer = await (browser.send(path, **fields) if fields else browser.get(path))
            assert answer.status_code == (303 if fields else 200), answer.text
            cookies = cookies or answer.headers["set-cookie"].partition(";")[0]
    assert "<strong>@2 is live</strong>" in answer.text
