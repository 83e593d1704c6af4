"""``/api/v1``: publish a release from an upload or from a hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

import msgspec
from litestar import post
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from litestar.params import FromPath
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import PublishedRelease, show_published
from postil.gateway.api.documented_errors import problems
from postil.gateway.control.publish import Published, PublishService, Source, from_hub, uploaded
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import BadRequestError, TooLargeError
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.plugins.manager import PluginManager
from postil.registry.artifacts.hub.ref import HubRef, parse_hub_ref
from postil.registry.policy.policy import Policy, parse_policy
from postil.registry.releases.sources import is_allowed


class SourceBody(msgspec.Struct, forbid_unknown_fields=True):
    """The adapter's place on a hub (``hf://org/name/folder@revision``), its policy (YAML), and a note.

    ``base_ok`` says that the base in its configuration is that of the gateway under another name; the log keeps it.
    """

    source: str
    policy: str | None = None
    note: str = ""
    base_ok: bool = False


class _Asked(NamedTuple):
    """What a request asks to publish."""

    source: Source
    policy: Policy | None
    note: str
    base_ok: bool


def publish_routes(
    publishing: PublishService, registry: RegistryHandle, plugins: PluginManager, limit_mib: int
) -> list[Any]:
    """Return the publish route: an archive in the form field ``artifact``, or a ``source`` in a form or in JSON."""

    # One MiB more than the adapter itself, for the policy, the note and the form around them.
    @post(
        "/adapters/{domain:str}/{adapter:str}/releases",
        request_max_body_size=(limit_mib + 1) << 20,
        may=Permission.PUBLISH,
        responses=problems(429, 502, 507),
    )
    async def publish(request: AnyRequest, domain: FromPath[str], adapter: FromPath[str]) -> PublishedRelease:
        name = adapter_name(domain, adapter)
        caller = caller_of(request)
        may_use_token = partial(_may_use_token, registry, caller, name.domain)
        with publishing.admitted(actor(request), _upload_bytes(request)):
            asked = await _asked(request, limit_mib, may_use_token)
            work = publishing.publish(
                asked.source,
                name,
                asked.policy,
                note=asked.note,
                actor=actor(request),
                scope=caller.scope,
                base_ok=asked.base_ok,
            )
            made = await _while_wanted(request, work)
        policy_from = "policy.yaml" if made.policy_found else "request" if asked.policy else "in force"
        return show_published(
            made.release, plugins, created=made.created, policy_from=policy_from, left_out=made.left_out
        )

    return [publish]


def _upload_bytes(request: AnyRequest) -> int | None:
    """The size of an upload as its head says, None where it says nothing; a source on a hub is no upload."""
    if request.content_type[0] == "application/json":
        return 0
    stated = request.headers.get("content-length", "")
    return int(stated) if stated.isascii() and stated.isdigit() else None


def _may_use_token(registry: RegistryHandle, caller: Caller, domain: str, ref: HubRef) -> bool:
    """Whether the gateway's token for the hub may be used: for an admin, and for a source that an admin allowed."""
    return caller.may(Permission.ADMINISTER) or is_allowed(registry.database(), domain, ref)


async def _asked(request: AnyRequest, limit_mib: int, may_use_token: Callable[[HubRef], bool]) -> _Asked:
    try:
        if request.content_type[0] == "application/json":
            body = msgspec.json.decode(await request.body(), type=SourceBody)
            source = _take(None, body.source, may_use_token)
            return _Asked(source, _policy(body.policy), body.note, body.base_ok)
        form = await request.form()
    except ClientException as error:
        if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
            raise TooLargeError(
                f"the upload is larger than {limit_mib} MiB; publish only the adapter itself, or raise"
                " POSTIL_UPLOAD_LIMIT_MIB"
            ) from error
        raise BadRequestError(f"the body is not a whole form ({error.detail}); send it again") from error
    except msgspec.MsgspecError as error:
        raise BadRequestError(f"the body cannot be understood: {error}") from error
    policy = form.get("policy")
    return _Asked(
        _take(form.get("artifact"), await _text(form.get("source")), may_use_token),
        _policy(None if policy is None else await _text(policy)),
        await _text(form.get("note")),
        await _flag(form.get("base_ok"), "base_ok"),
    )


def _take(upload: object, source: str, may_use_token: Callable[[HubRef], bool]) -> Source:
    if isinstance(upload, UploadFile) and not source:
        return uploaded(upload.file)
    if upload is None and source:
        ref = parse_hub_ref(source)
        return from_hub(ref, partial(may_use_token, ref))
    raise BadRequestError(
        "send the adapter as a tar, tar.gz or zip in the form field `artifact`, or its place on a hub in `source`",
        param="artifact",
    )


def _policy(text: str | None) -> Policy | None:
    return None if text is None else parse_policy(text)


async def _while_wanted(request: AnyRequest, work: Coroutine[Any, Any, Published]) -> Published:
    """Run the work, and cancel it if the client disconnects first."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise BadRequestError("the client disconnected before the release was created; nothing was published")
        return task.result()
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: AnyRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _flag(value: object, name: str) -> bool:
    text = (await _text(value)).strip().lower()
    if text not in ("", "true", "false"):
        raise BadRequestError(f"the form field {name} has to be true or false", param=name)
    return text == "true"


async def _text(value: object) -> str:
    if isinstance(value, UploadFile):
        return (await value.read()).decode(errors="replace")
    return "" if value is None else str(value)
