"""``GET /v1/models``: what this key may put into ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

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


class ModelCard(msgspec.Struct, kw_only=True):
    """Something that may be put into ``model``; ``owned_by`` is its domain."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(msgspec.Struct, kw_only=True):
    """All that this key may put into ``model``."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


Cards = Mapping[str, ModelCard]


def model_routes(catalog: CatalogHolder, callers: Callers) -> list[HTTPRouteHandler]:
    """The list and its single entries, over one gateway."""
    lists = Lists()

    @get("/v1/models", sync_to_thread=False)
    def list_models(request: Request[Any, Any, Any]) -> Response[ModelList]:
        _, whole = lists.of(catalog.current, _caller(callers, request))
        # Encoded once for all who may ask the same.
        return Response(cast(ModelList, whole), media_type=JSON)

    @get("/v1/models/{model:path}", sync_to_thread=False)
    def one_model(request: Request[Any, Any, Any], model: FromPath[str]) -> ModelCard:
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
            cards = {name: ModelCard(id=name, owned_by=owner) for name, owner in names}
            self._made[rights] = cards, msgspec.json.encode(ModelList(data=list(cards.values())))
        return self._made[rights]


def _caller(callers: Callers, request: Request[Any, Any, Any]) -> Caller:
    return callers.identify(request.headers.get("authorization"))
