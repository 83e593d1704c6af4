"""Security headers and protection against cross-site requests, for every route except completions."""

from __future__ import annotations

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from postil.gateway.api.error_responses import tell
from postil.gateway.api.media_types import is_json, refuse_other_bodies
from postil.gateway.errors import BadRequestError, CrossSiteError, GatewayError, UnsupportedMediaError

# The console's pages have a policy of their own, which lets their own style and script in.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Training files are uploaded as a form, and their routes take no other body.
_FORMS = "/v1/files"
_SAFE = ("GET", "HEAD", "OPTIONS")
_ELSEWHERE = (b"cross-site", b"same-site")


class SecurityHeaders:
    """Middleware in front of the application; requests under ``/v1`` pass unchanged if their bodies are JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI call."""
        if scope["path"].startswith("/v1/"):
            error = _not_json(scope)
            await (self._app(scope, receive, send) if error is None else tell(error, scope["path"], send))
            return
        guarded = _with_headers(send)
        error = _refused(scope)
        if error is None:
            await self._app(scope, receive, guarded)
        else:
            await tell(error, scope["path"], guarded)


def _refused(scope: Scope) -> GatewayError | None:
    """Return why a request is refused before it is read, or None."""
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        return BadRequestError("the address holds a NUL character; leave it out")
    if scope.get("method") in _SAFE:
        return None
    headers = dict(scope["headers"])
    if _cross_site(headers):
        return CrossSiteError("this request comes from a page of another site; the admin API refuses those")
    return (
        None
        if _json(scope["path"], headers)
        else UnsupportedMediaError("send JSON, with `Content-Type: application/json`")
    )


def _cross_site(headers: dict[bytes, bytes]) -> bool:
    """Return whether a browser reports a cross-site request; it would not attach a key anyway."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:  # The browser knows; a proxy may have changed the Host header.
        return site in _ELSEWHERE
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host", b"")


def _json(path: str, headers: dict[bytes, bytes]) -> bool:
    """Return whether the body is JSON or absent; an upload is a form, and the console has its own rule."""
    empty = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
    if empty or path.startswith("/console/") or path.rstrip("/").endswith("/releases"):
        return True
    return is_json(headers.get(b"content-type", b""))


def _not_json(scope: Scope) -> GatewayError | None:
    """Return why a body under ``/v1`` is refused before it is read, or None."""
    if scope.get("method") in _SAFE or scope["path"].rstrip("/") == _FORMS:
        return None
    try:
        refuse_other_bodies(scope["headers"])
    except GatewayError as error:
        return error
    return None


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = [*message["headers"]]
            names = {name for name, _ in given}
            message["headers"] = [*given, *(pair for pair in _HEADERS if pair[0] not in names)]
        await send(message)

    return guarded
