"""``/metrics`` at a port of its own on loopback, without a key: for a Prometheus or an agent on this machine."""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.error_responses import tell
from postil.gateway.api.metrics import PATH
from postil.gateway.control.metrics import MetricsText
from postil.gateway.errors import NotFoundError
from postil.gateway.telemetry.exposition import CONTENT_TYPE

HOST = "127.0.0.1"


def with_metrics_port(app: ASGIApp, port: int | None, metrics: MetricsText) -> ASGIApp:
    """Wrap an application: at this port there is ``/metrics`` and nothing else."""
    if port is None:
        return app

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not _is_at(scope, port):
            await app(scope, receive, send)
        elif scope["path"] == PATH and scope["method"] in ("GET", "HEAD"):
            await _tell(scope["method"], await metrics.text(), send)
        else:
            await tell(NotFoundError("only GET /metrics is at this port"), scope["path"], send)

    return answer


def _is_at(scope: Scope, port: int) -> bool:
    server = scope.get("server")
    return server is not None and server[1] == port


async def _tell(method: str, text: bytes, send: Send) -> None:
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else text, "more_body": False})
