"""``/console/playground``: one text to the base, an adapter's live release and another one, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from litestar import Response, get, post
from litestar.params import FromQuery

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest, caller_of
from postil.gateway.api.console.forms import Form, read_form
from postil.gateway.api.console.pages import PREFIX, Pages
from postil.gateway.api.console.sessions import Attempts, Session
from postil.gateway.api.console.side_by_side import MOST_TOKENS, SideBySide, Trial, TriedAnswer, asking
from postil.gateway.api.console.word_diff import word_diff
from postil.gateway.errors import BadRequestError, GatewayError, NotFoundError, RequestsLimitedError
from postil.gateway.inference.routing.catalog import AdapterEntry, unknown
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.registry.names import parse_adapter

BASE, LIVE, OTHER = "base", "live", "other"
_FIELDS = ("adapter", "other", "text", "seed", "temperature")
_MOST_CHARACTERS = 8000
_MOST_ADAPTERS = 1000
# Of the releases that can be asked, so many are proposed.
_PROPOSED = 50


@dataclass(frozen=True, slots=True)
class Playground:
    """What the page is made of. ``attempts`` counts the questions of each key."""

    catalog: CatalogHolder
    denied: DeniedAttempts
    asks: SideBySide
    pages: Pages
    attempts: Attempts = field(default_factory=Attempts)

    def entries(self, caller: Caller) -> list[AdapterEntry]:
        """Return the adapters that somebody may try, by name."""
        entries = self.catalog.current.entries
        found = (entries[name] for name in sorted(entries) if not entries[name].retired.adapter)
        return list(islice((one for one in found if caller.may(Permission.TRY, one.name.domain)), _MOST_ADAPTERS))


@dataclass(frozen=True, slots=True)
class Column:
    """One of those that were asked: what it is called, its release (None: the base, or none), its answer."""

    name: str
    release: str | None
    answer: TriedAnswer


def playground_routes(parts: Playground) -> list[Any]:
    """Return the routes of the page, and of its form."""

    @get("/playground", may=Permission.TRY)
    async def shown(request: AnyRequest, adapter: FromQuery[str] = "", release: FromQuery[str] = "") -> Response[str]:
        chosen = {"adapter": adapter, "other": release, "text": "", "seed": "0", "temperature": "0"}
        return _page(parts, request, chosen)

    @post("/playground", may=Permission.TRY, status_code=200)
    async def asked(request: AnyRequest) -> Response[str]:
        form = await read_form(request, _FIELDS)
        chosen = {name: form.text(name) for name in _FIELDS}
        entry = _entry(parts, request, form)
        try:
            question, number = _question(form), form.number("other") if chosen["other"] else None
            columns = await _ask(parts, request, entry, question, number)
        except (BadRequestError, RequestsLimitedError) as error:  # The text is not lost for it.
            return _page(parts, request, chosen, status=error.status, problem=str(error))
        first, second = columns[-2:]
        words = await asyncio.to_thread(word_diff, _said(first), _said(second))
        return _page(parts, request, chosen, columns=columns, words=words)

    return [shown, asked]


def _page(parts: Playground, request: AnyRequest, chosen: dict[str, str], **values: Any) -> Response[str]:
    entries = parts.entries(caller_of(request))
    known = [one for one in entries if str(one.name) == chosen["adapter"]] or entries
    return parts.pages.page(
        request,
        "playground.html",
        adapters=[str(one.name) for one in entries],
        entry=known[0] if known else None,
        proposed=_proposed(known[0]) if known else [],
        chosen=chosen,
        most=_MOST_CHARACTERS,
        tokens=MOST_TOKENS,
        **{"problem": "", "columns": [], "words": [], **values},
    )


def _proposed(entry: AdapterEntry) -> Sequence[int]:
    """The newest releases that can be asked beside the live one."""
    out = {entry.live, *entry.yanked, *entry.retired.releases}
    return list(islice((number for number in sorted(entry.releases, reverse=True) if number not in out), _PROPOSED))


def _entry(parts: Playground, request: AnyRequest, form: Form) -> AdapterEntry:
    """The adapter that a form names. Raises NameInvalidError, KeyForbiddenError or NotFoundError."""
    name = parse_adapter(form.needed("adapter", "the adapter"))
    check_domain(parts.denied, request, Permission.TRY, name.domain, PREFIX)
    entry = parts.catalog.current.entries.get(str(name))
    if entry is None or entry.retired.adapter:
        raise NotFoundError(f"there is no adapter {name} in service; choose one from the list")
    return entry


def _question(form: Form) -> Trial:
    """What a form asks. Raises BadRequestError."""
    text, temperature = form.needed("text", "the text"), form.share("temperature")
    if len(text) > _MOST_CHARACTERS:
        raise BadRequestError(
            f"the text has {len(text):,} characters, and {_MOST_CHARACTERS:,} are allowed; shorten it"
        )
    if not 0 <= temperature <= 2:
        raise BadRequestError("the temperature has to be between 0 and 2")
    return Trial(text, form.number("seed"), temperature)


async def _ask(
    parts: Playground, request: AnyRequest, entry: AdapterEntry, question: Trial, number: int | None
) -> list[Column]:
    """Ask all at once. Raises RequestsLimitedError where a key has asked too often."""
    session = cast("Session", request.scope["session"])
    if wait := parts.attempts.wait(session.handle):
        raise RequestsLimitedError(f"that is too often; ask again in {wait} seconds", retry_after=wait)
    parts.attempts.note(session.handle)
    caller = asking(caller_of(request))

    async def column(name: str, number: int | None) -> Column:
        try:
            release = None if name == BASE else _release(entry, number, caller)
        except GatewayError as error:
            return Column(name, None, TriedAnswer(refused=str(error)))
        return Column(
            name, None if release is None else str(release.ref), await parts.asks.ask(caller, question, release)
        )

    wanted = [(BASE, None), (LIVE, None)] + ([] if number is None else [(OTHER, number)])
    return list(await asyncio.gather(*(column(*one) for one in wanted)))


def _release(entry: AdapterEntry, number: int | None, caller: Caller) -> LoadedRelease:
    """The live release, or the one of that number. Raises UnknownModelError or EngineUnavailableError."""
    if number is not None and not entry.may_name(number, caller):
        raise unknown(str(entry.name.release(number)))
    return entry.pick(number)


def _said(column: Column) -> str:
    """What the model said first."""
    return next(iter(column.answer.said), "")
