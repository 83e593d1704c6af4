"""Which cookie of a request is a session's, and which one a browser gets."""

from __future__ import annotations

import pytest
from litestar.testing import RequestFactory

from postil.gateway.api.console.cookie import Cookies

BOTH = {"Cookie": "postil=plain; __Host-postil=secure", "Host": "localhost:8080"}


@pytest.mark.parametrize(
    ("tls", "headers", "ids"),
    [
        (False, {}, ["secure", "plain"]),
        (True, {}, ["secure"]),
        (False, {"Host": "gateway.example"}, ["secure"]),
        (False, {"X-Forwarded-For": "10.0.0.1"}, ["secure"]),
    ],
)
def test_the_plain_cookie_counts_over_http_on_this_machine_without_a_proxy_alone(
    tls: bool, headers: dict[str, str], ids: list[str]
) -> None:
    request = RequestFactory().get("/console", headers={**BOTH, **headers})
    cookies = Cookies(tls=tls)
    assert cookies.ids(request) == ids
    assert cookies.set(request, "new").startswith("postil=" if "plain" in ids else "__Host-postil=")
