"""The span of a request, around the endpoints that answer; where traces are off, the endpoints are as they were."""

from __future__ import annotations

from collections.abc import Mapping

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from postil.gateway.telemetry import conventions as names
from postil.gateway.telemetry.request_id import current
from postil.gateway.telemetry.trace import Attribute, RequestTrace, Tracer, answered_under, sent_under

_RELEASE = b"x-postil-release"
_SERVERS_FAULT = 500


def traced(tracer: Tracer | None, handlers: Mapping[str, ASGIApp]) -> Mapping[str, ASGIApp]:
    """Return endpoints by their paths, each request to which is the root of a trace, or a part of its client's."""
    if tracer is None:
        return handlers
    return {path: _traced(tracer, path, handler) for path, handler in handlers.items()}


def _traced(tracer: Tracer, path: str, handler: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "POST":
            await handler(scope, receive, send)
            return
        span = tracer.server(f"{names.SERVER} {path}", scope["headers"], _attributes(path, scope))
        if not span.recorded:  # The engine is told that it was not sampled; parts of it would cost and tell nobody.
            with sent_under(span):
                await handler(scope, receive, send)
            return
        trace = RequestTrace(span)
        error = ""

        async def sent(message: Message) -> None:
            nonlocal error
            if message["type"] == "http.response.start":
                status = message["status"]
                span.set(names.HTTP_STATUS, status)
                _name_base(trace, dict(message["headers"]).get(_RELEASE, b""))
                error = str(status) if status >= _SERVERS_FAULT else ""
            await send(message)

        try:
            with answered_under(trace):
                await handler(scope, receive, sent)
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            span.end(error)

    return answer


def _attributes(path: str, scope: Scope) -> dict[str, Attribute]:
    return {
        names.HTTP_METHOD: "POST",
        names.HTTP_ROUTE: path,
        names.URL_PATH: path,
        names.URL_SCHEME: str(scope.get("scheme", "http")),
        names.REQUEST_ID: current(),
    }


def _name_base(trace: RequestTrace, release: bytes) -> None:
    """Say that the base answered: an adapter's release has been said when its request began."""
    if release and b"/" not in release:
        trace.root.set(names.RELEASE, release.decode("latin-1"))
