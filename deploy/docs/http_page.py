"""The reference of HTTP routes, read from the OpenAPI document and from what each route asks of a key."""

from __future__ import annotations

import asyncio
import inspect
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from litestar.routes import HTTPRoute

from deploy.docs.http_summaries import SUMMARIES
from deploy.docs.markdown import Schema, bounds, code, default, fields, kind, page, sentence, table
from postil.gateway.server.app import completion_parts, make_litestar
from postil.gateway.server.bootstrap import build
from postil.gateway.server.lifecycle import Lifecycle
from postil.gateway.settings import Settings
from postil.gateway.tenancy.permissions import PERMISSIONS, Permission
from postil.plugins.manager import PluginManager

DOCUMENT = "/api/v1/docs/openapi.json"
_METHODS = ("get", "post", "put", "patch", "delete")
_LEAD = (
    f"Every route of a gateway. `GET {DOCUMENT}` is the same for programs, with every parameter and body. The key"
    " travels in `Authorization: Bearer`. What the roles may do is in [SECURITY.md](../../../SECURITY.md)."
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path: what it does, and who may."""

    method: str
    path: str
    summary: str
    who: str
    described: Schema


def application() -> Litestar:
    """An application as ``postil serve`` makes it, that is never started."""
    with tempfile.TemporaryDirectory() as home:
        runtime = build(Settings(home=Path(home)), PluginManager(entry_points=False))
        app = make_litestar(runtime, completion_parts(runtime))
        asyncio.run(Lifecycle(runtime).stop())
        return app


async def _document(app: Litestar) -> dict[str, Any]:
    asgi: Any = app  # Litestar and httpx say the same of ASGI in different types.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://docs") as client:
        document: dict[str, Any] = (await client.get(DOCUMENT)).raise_for_status().json()
        return document


def document(app: Litestar) -> dict[str, Any]:
    """The OpenAPI document that the application answers with."""
    return asyncio.run(_document(app))


def operations(app: Litestar, described: Schema) -> Iterator[Operation]:
    """Every operation of the document, by path and method."""
    handlers = {(method, _bare(path)): one for method, path, one in _handlers(app)}
    for path, item in sorted(described["paths"].items()):
        for method in _METHODS:
            if method in item:
                handler = handlers.get((method.upper(), path))
                yield Operation(
                    method.upper(), path, _summary(method.upper(), path, item[method], handler), _who(path, handler),
                    item[method],
                )  # fmt: skip


def schemas(described: Schema) -> dict[str, Schema]:
    """The named bodies of requests and answers that have fields."""
    found = described.get("components", {}).get("schemas", {})
    return {name: one for name, one in sorted(found.items()) if one.get("properties")}


def http_page(app: Litestar, described: Schema) -> str:
    """``http-api.md``."""
    rows = [
        (
            code(f"{one.method} {one.path}"),
            one.who,
            one.summary,
            _parameters(one.described),
            _body(one.described),
            _answer(one.described),
        )
        for one in operations(app, described)
    ]
    heads = ["route", "who", "what it does", "query", "body", "answer"]
    bodies = [_schema(name, one) for name, one in schemas(described).items()]
    return page("HTTP API", _LEAD, table(heads, rows), "## Bodies", *bodies)


def _handlers(app: Litestar) -> Iterator[tuple[str, str, Any]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    yield method, route.path, handler


def _bare(path: str) -> str:
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _summary(method: str, path: str, described: Schema, handler: Any) -> str:
    """What somebody wrote about it: in the handler, in the document, or beside this file; else the handler's name."""
    written = inspect.getdoc(handler.fn) if handler is not None else None
    named = str(described.get("summary", ""))
    if handler is not None and named.lower() == handler.fn.__name__.replace("_", ""):
        named = ""
    words = handler.fn.__name__.replace("_", " ").capitalize() if handler is not None else ""
    says = written or named or described.get("description") or SUMMARIES.get(f"{method} {path}") or words
    return sentence(says).rstrip(".")


def _who(path: str, handler: Any) -> str:
    right = handler.opt.get("may") if handler is not None else None
    if not isinstance(right, Permission):
        if path.startswith("/v1/"):
            return "tenant, admin"
        return "nobody" if path.startswith("/api/") else "everybody"
    return ", ".join(role.value for role, rights in PERMISSIONS.items() if right in rights) + f" (`{right.value}`)"


def _parameters(described: Schema) -> str:
    given = [one for one in described.get("parameters", ()) if one.get("in") == "query"]
    return ", ".join(code(one["name"]) + (" (required)" if one.get("required") else "") for one in given)


def _body(described: Schema) -> str:
    content = described.get("requestBody", {}).get("content", {})
    return " or ".join(_media(media, one.get("schema", {})) for media, one in content.items())


def _answer(described: Schema) -> str:
    """The body of the answer if all goes well, where the document names one."""
    good: Schema = next((one for status, one in described.get("responses", {}).items() if status.startswith("2")), {})
    schemas = [one.get("schema", {}) for one in good.get("content", {}).values()]
    return " or ".join(kind(schema) for schema in schemas if "$ref" in schema)


def _media(media: str, schema: Schema) -> str:
    if "$ref" in schema:
        return kind(schema)
    named: Mapping[str, Any] = schema.get("properties", {})
    return f"{media.removeprefix('application/')}: " + ", ".join(code(name) for name in named)


def _schema(name: str, schema: Schema) -> str:
    rows = [
        (code(field), kind(one), default(one, required), bounds(one), sentence(one.get("description")))
        for field, one, required in fields(schema)
    ]
    said = " ".join(str(schema.get("description", "")).replace("``", "`").split())
    listed = table(["key", "type", "default", "bounds", "what it is"], rows)
    return "\n\n".join(part for part in (f"### {schema.get('title', name)}", said, listed) if part)
