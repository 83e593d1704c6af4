"""``GET /v1/models``: the values of ``model`` that a key may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from postil.gateway.api.denied import identify_request
from postil.gateway.inference.routing.catalog import BASE, Catalog, ModelName, unknown
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedSink
from postil.gateway.tenancy.directory import Caller

JSON = "application/json"


class ModelCard(msgspec.Struct, kw_only=True):
    """A value that ``model`` may take, as vLLM shows an adapter; ``owned_by`` is its domain.

    ``root`` is the release that answers where neither a pin nor a canary decides, for `base` the base model; ``parent``
    is what the adapter is for. ``created`` is when the release was published, for `base` when the gateway started.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    root: str | None = None
    parent: str | None = None
    max_model_len: int | None = None


class ModelList(msgspec.Struct, kw_only=True):
    """All values of ``model`` that this key may use."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


Cards = Mapping[str, ModelCard]


@dataclass(frozen=True, slots=True)
class BaseCard:
    """What is told of the base: its name, the engine's context in tokens, and since when it is served."""

    name: str | None
    window: int | None
    created: int


def model_routes(
    catalog: CatalogHolder, callers: Callers, denied: DeniedSink, base: Callable[[], BaseCard]
) -> list[HTTPRouteHandler]:
    """Return the routes for the list and its entries."""
    lists = Lists(base)

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
            raise unknown(wanted)
        return cards[wanted]

    return [list_models, one_model]


class Lists:
    """Model lists, cached per set of rights until the catalog, or what is known of the base, changes."""

    def __init__(self, base: Callable[[], BaseCard]) -> None:
        self._base = base
        self._of: tuple[Catalog, BaseCard] | None = None
        self._made: dict[tuple[object, ...], tuple[Cards, bytes]] = {}

    def of(self, catalog: Catalog, caller: Caller) -> tuple[Cards, bytes]:
        """Return the models by name, and the encoded list."""
        base = self._base()
        if self._of is None or self._of[0] is not catalog or self._of[1] != base:
            self._of, self._made = (catalog, base), {}
        rights = (caller.admin, caller.domains, caller.rights, catalog.pins_of(caller))
        if rights not in self._made:
            cards = {each.name: _card(each, base) for each in catalog.names(caller)}
            self._made[rights] = cards, msgspec.json.encode(ModelList(data=list(cards.values())))
        return self._made[rights]


def _card(model: ModelName, base: BaseCard) -> ModelCard:
    name, owner, release = model
    if release is None:
        return ModelCard(id=name, created=base.created, owned_by=owner, root=base.name, max_model_len=base.window)
    created, root = release.spec.created if release.spec else 0, str(release.ref)
    return ModelCard(id=name, created=created, owned_by=owner, root=root, parent=BASE, max_model_len=base.window)
