"""Refuses what pages of other origins send: browsers add the console's cookie to it."""

from __future__ import annotations

from postil.gateway.api.admin.auth import Connection
from postil.gateway.errors import CrossSiteError

_SAFE = ("GET", "HEAD")
_ELSEWHERE = "this was not sent by a page of this console; open the console and do it there"
_UNTOLD = "the browser does not say which page sent this; use one that sends `Sec-Fetch-Site` or `Origin`"


def check_same_origin(connection: Connection) -> None:
    """Raise CrossSiteError unless a request that may change something comes from a page of this origin.

    ``Sec-Fetch-Site`` decides, which no page can set; without it ``Origin`` has to be this one; without both it is
    refused. That holds for the login too, so that nobody is signed in with the key of somebody else.
    """
    if connection.scope.get("method") in _SAFE:
        return
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if site is not None:
        if site != "same-origin":
            raise CrossSiteError(_ELSEWHERE)
    elif origin is None:
        raise CrossSiteError(_UNTOLD)
    elif origin.partition("://")[2] != connection.headers.get("host", ""):
        raise CrossSiteError(_ELSEWHERE)
