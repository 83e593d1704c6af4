"""``GET /v1/models``: what this key may put into ``model``."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from postil.gateway.errors import UnknownModelError
from postil.gateway.lifecycle import Gateway


def model_routes(gateway: Gateway) -> list[HTTPRouteHandler]:
    """The list and its single entries, over one gateway."""

    @get("/v1/models", sync_to_thread=False)
    def list_models(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return {"object": "list", "data": _cards(gateway, request)}

    @get("/v1/models/{model:path}", sync_to_thread=False)
    def one_model(request: Request[Any, Any, Any], model: FromPath[str]) -> dict[str, Any]:
        wanted = model.removeprefix("/")
        for card in _cards(gateway, request):
            if card["id"] == wanted:
                return card
        raise UnknownModelError(f"the model {wanted[:200]!r} does not exist; GET /v1/models lists those there are")

    return [list_models, one_model]


def _cards(gateway: Gateway, request: Request[Any, Any, Any]) -> list[dict[str, Any]]:
    caller = gateway.directory.identify(request.headers.get("authorization"))
    return [
        {"id": name, "object": "model", "created": 0, "owned_by": owner}
        for name, owner in gateway.catalog.names(caller)
    ]
