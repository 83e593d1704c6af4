"""``GET /v1/models``: the values of ``model`` that a key may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from postil.gateway.api.denied import identify_request
from postil.gateway.errors import UnknownModelError
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedSink
from postil.gateway.tenancy.directory import Caller

JSON = "application/json"


class ModelCard(msgspec.Struct, kw_only=True):
    """A value that ``model`` may take; ``owned_by`` is its domain."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(msgspec.Struct, kw_only=True):
    """All values of ``model`` that this key may use."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


Cards = Mapping[str, ModelCard]


def model_routes(catalog: CatalogHolder, callers: Callers, denied: DeniedSink) -> list[HTTPRouteHandler]:
    """Return the routes for the list and its entries."""
    lists = Lists()

    @get("/v1/models", sync_to_thread=False)
    def list_models(request: Request[Any, Any, Any]) -> Response[ModelList]:
        _, whole = lists.of(catalog.current, identify_request(callers, denied, request))
        # Encoded once for all callers with the same rights.
        return Response(cast(ModelList, whole), media_type=JSON)

    @get("/v1/models/{model:path}", sync_to_thread=False)
    def one_model(request: Request[Any, Any, Any], model: FromPath[str]) -> ModelCard:
        wanted = model.removeprefix("/")
        cards, _ = lists.of(catalog.current, identify_request(callers, denied, request))
        if wanted not in cards:
            raise UnknownModelError(f"the model {wanted[:200]!r} does not exist; GET /v1/models lists those there are")
        return cards[wanted]

    return [list_models, one_model]


class Lists:
    """Model lists, cached per set of rights until the catalog changes."""

    def __init__(self) -> None:
        self._catalog: Catalog | None = None
        self._made: dict[tuple[object, ...], tuple[Cards, bytes]] = {}

    def of(self, catalog: Catalog, caller: Caller) -> tuple[Cards, bytes]:
        """Return the models by name, and the encoded list."""
        if catalog is not self._catalog:
            self._catalog, self._made = catalog, {}
        rights = (caller.admin, caller.domains, caller.rights, catalog.pins_of(caller))
        if rights not in self._made:
            names = catalog.names(caller)
            cards = {name: ModelCard(id=name, owned_by=owner) for name, owner in names}
            self._made[rights] = cards, msgspec.json.encode(ModelList(data=list(cards.values())))
        return self._made[rights]
