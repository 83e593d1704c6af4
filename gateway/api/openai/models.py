"""``GET /v1/models``: what this key may put into ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from postil.gateway.errors import UnknownModelError
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.directory import Caller

JSON = "application/json"
Cards = Mapping[str, Mapping[str, Any]]


def model_routes(catalog: CatalogHolder, callers: Callers) -> list[HTTPRouteHandler]:
    """The list and its single entries, over one gateway."""
    lists = Lists()

    @get("/v1/models", sync_to_thread=False)
    def list_models(request: Request[Any, Any, Any]) -> Response[bytes]:
        _, whole = lists.of(catalog.current, _caller(callers, request))
        return Response(whole, media_type=JSON)

    @get("/v1/models/{model:path}", sync_to_thread=False)
    def one_model(request: Request[Any, Any, Any], model: FromPath[str]) -> Mapping[str, Any]:
        wanted = model.removeprefix("/")
        cards, _ = lists.of(catalog.current, _caller(callers, request))
        if wanted not in cards:
            raise UnknownModelError(f"the model {wanted[:200]!r} does not exist; GET /v1/models lists those there are")
        return cards[wanted]

    return [list_models, one_model]


class Lists:
    """What callers may ask, made once for all that may ask the same, until the catalog is another one."""

    def __init__(self) -> None:
        self._catalog: Catalog | None = None
        self._made: dict[tuple[bool, frozenset[str]], tuple[Cards, bytes]] = {}

    def of(self, catalog: Catalog, caller: Caller) -> tuple[Cards, bytes]:
        """The cards by their names, and the list as it is sent."""
        if catalog is not self._catalog:
            self._catalog, self._made = catalog, {}
        rights = (caller.admin, caller.domains)
        if rights not in self._made:
            names = catalog.names(caller)
            cards = {name: {"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in names}
            self._made[rights] = cards, msgspec.json.encode({"object": "list", "data": list(cards.values())})
        return self._made[rights]


def _caller(callers: Callers, request: Request[Any, Any, Any]) -> Caller:
    return callers.identify(request.headers.get("authorization"))
