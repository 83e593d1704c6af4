"""Renders the console's pages, with the headers that each of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

from postil.gateway.api.admin.auth import Connection
from postil.gateway.api.console import shown
from postil.gateway.api.console.assets import Assets
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission

PREFIX = "/console"
_TEMPLATES = Path(__file__).parent / "templates"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# Part of the console's address, what it is called, and what its key has to be good for.
_AREAS = (
    ("/console", "Home", None),
    ("/console/playground", "Playground", Permission.TRY),
    ("/console/reviews", "Reviews", Permission.REVIEW),
    ("/console/usage", "Usage", Permission.SEE_USAGE),
    ("/console/log", "Log", Permission.SEE),
)


class Pages:
    """The templates, and what all of them know."""

    def __init__(self, assets: Assets) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(asset=assets.url)
        named: Mapping[str, Callable[..., Any]] = {
            "ago": shown.ago,
            "lasted": shown.lasted,
            "minute": shown.minute,
            "machine": shown.machine,
            "action": shown.action,
            "plain": shown.plain,
            "value": shown.value,
            "percent": shown.percent,
            "pretty": shown.pretty,
            "progress": shown.progress,
            "sides": shown.sides,
        }
        self._templates.filters.update(named)

    def page(self, request: Connection, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """Return a page for whoever asks."""
        caller: Caller | None = request.scope.get("user")
        text = self._templates.get_template(template).render(
            caller=caller,
            person=_person(request, caller),
            may=_may(caller),
            areas=_areas(caller),
            path=request.scope["path"],
            **values,
        )
        return Response(text, status_code=status, media_type="text/html", headers=HEADERS)


def go_to(path: str, *, cookie: str | None = None) -> Response[bytes]:
    """Answer a form: the browser asks for ``path`` next, so that reloading it sends nothing again."""
    headers = {**HEADERS, "location": path} | ({} if cookie is None else {"set-cookie": cookie})
    return Response(b"", status_code=303, headers=headers, media_type="text/plain")


def _person(request: Connection, caller: Caller | None) -> str:
    session = request.scope.get("session")
    stated = getattr(session, "person", "")
    return stated or (caller.owner if caller else "")


def _may(caller: Caller | None) -> Callable[..., bool]:
    """Return what templates ask before they show a button: the same question that the guard asks."""

    def may(right: str, domain: str | None = None) -> bool:
        return caller is not None and caller.may(Permission(right), domain)

    return may


def _areas(caller: Caller | None) -> list[tuple[str, str]]:
    if caller is None:
        return []
    return [(path, name) for path, name, right in _AREAS if right is None or caller.may(right)]
