"""``/api``: publish a release."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from postil.gateway import publishing, views
from postil.gateway.errors import BadRequestError
from postil.gateway.lifecycle import Gateway
from postil.gateway.routes.parts import AnyRequest, actor, adapter_name
from postil.registry.policy import parse_policy


def publish_routes(gateway: Gateway) -> list[Any]:
    """How adapters come in."""

    # A mebibyte more than the adapter itself: the policy, the note and the form around them.
    @post(
        "/adapters/{domain:str}/{adapter:str}/releases",
        request_max_body_size=(gateway.settings.upload_limit_mib + 1) << 20,
    )
    async def publish(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)],
    ) -> dict[str, Any]:
        upload = data.get("artifact")
        if not isinstance(upload, UploadFile):
            raise BadRequestError("send the adapter as a tar in the form field `artifact`", param="artifact")
        policy = parse_policy(await _text(data["policy"])) if "policy" in data else None
        release, created = await publishing.publish(
            gateway, upload.file, adapter_name(domain, adapter), policy,
            note=await _text(data.get("note")), actor=actor(request),
        )
        return {**views.release(release), "created": created}

    return [publish]


async def _text(value: object) -> str:
    if isinstance(value, UploadFile):
        return (await value.read()).decode(errors="replace")
    return "" if value is None else str(value)
