"""``/api/v1/webhooks``: where decisions of reviews are posted; an admin's objects that policies name."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.params import After, AnyRequest, Limit, actor, caller_of, seconds
from postil.gateway.api.admin.schemas.webhooks import (
    NewWebhook,
    WebhookPage,
    WebhookTest,
    show_new_webhook,
    show_test,
    show_webhook,
)
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.tenancy.permissions import Permission
from postil.registry.accounts import webhooks as stored
from postil.registry.db.paging import DEFAULT_LIMIT
from postil.registry.defaults import OVERLAP_SECONDS


class WebhookBody(msgspec.Struct, forbid_unknown_fields=True):
    """A webhook to add: its name in policies, its URL, and the domains whose policies may name it.

    ``allow_private`` allows http, and addresses that are not of the public internet.
    """

    name: str
    url: str
    domains: list[str]
    allow_private: bool = False


class WebhookRotateBody(msgspec.Struct, forbid_unknown_fields=True):
    """How long messages are signed with the old secret too, in seconds."""

    overlap: float = OVERLAP_SECONDS


def webhook_routes(registry: RegistryHandle, sender: Webhooks) -> list[Any]:
    """Return the routes with which an admin manages webhooks; publishers see the names of their domains'."""
    return [_listing(registry), *_changing(registry), _testing(registry, sender)]


def _listing(registry: RegistryHandle) -> Any:
    @get("/webhooks", may=Permission.SEE)
    async def listed(request: AnyRequest, after: After = None, limit: Limit = DEFAULT_LIMIT) -> WebhookPage:
        caller = caller_of(request)
        page = await asyncio.to_thread(
            stored.list_webhooks, registry.database(), caller.scope, after=after, limit=limit
        )
        return WebhookPage(data=[show_webhook(row, caller) for row in page.items], next=page.next)

    return listed


def _changing(registry: RegistryHandle) -> list[Any]:
    @post("/webhooks", may=Permission.ADMINISTER)
    async def add(request: AnyRequest, data: JSONBody[WebhookBody]) -> NewWebhook:
        made = await asyncio.to_thread(
            stored.add_webhook,
            registry.database(),
            data.name,
            data.url,
            data.domains,
            allow_private=data.allow_private,
            actor=actor(request),
        )
        return show_new_webhook(made)

    @delete("/webhooks/{name:str}", may=Permission.ADMINISTER)
    async def remove(request: AnyRequest, name: FromPath[str]) -> None:
        await asyncio.to_thread(stored.remove_webhook, registry.database(), name, actor=actor(request))

    @post("/webhooks/{name:str}/rotate", may=Permission.ADMINISTER)
    async def rotate(request: AnyRequest, name: FromPath[str], data: JSONBody[WebhookRotateBody]) -> NewWebhook:
        overlap = seconds(data.overlap)
        assert overlap is not None, "it has a default"
        made = await asyncio.to_thread(stored.rotate_secret, registry.database(), name, overlap, actor=actor(request))
        return show_new_webhook(made)

    return [add, remove, rotate]


def _testing(registry: RegistryHandle, sender: Webhooks) -> Any:
    @post("/webhooks/{name:str}/test", status_code=200, may=Permission.ADMINISTER)
    async def test(name: FromPath[str]) -> WebhookTest:
        endpoint = await asyncio.to_thread(stored.endpoint, registry.database(), name)
        message = f"test_{uuid.uuid4().hex}"
        return show_test(await sender.post(endpoint, message, {"id": message, "status": "test"}))

    return test
