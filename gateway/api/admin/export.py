"""``/api/v1``: export a release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import get
from litestar.params import FromPath
from litestar.response import Stream

from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name
from postil.gateway.api.documented_errors import problems
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.threads import Threads
from postil.plugins import ReleaseRef
from postil.registry.artifacts.archives.tar import TarFile, tar_chunks, tar_size
from postil.registry.artifacts.export import release_files
from postil.registry.releases.exports import note_export
from postil.registry.releases.service import Registry
from postil.registry.signing.requirements import signature_of

_TAR = "application/x-tar"


def export_routes(registry: RegistryHandle, reports: Threads) -> list[Any]:
    """Return the route that exports a release as a tar of artifact, policy and model card."""

    @get(
        "/adapters/{domain:str}/{adapter:str}/releases/{number:int}/artifact",
        media_type=_TAR,
        may=Permission.EXPORT,
        responses=problems(409, 422),
    )
    async def artifact(
        request: AnyRequest, domain: FromPath[str], adapter: FromPath[str], number: FromPath[int]
    ) -> Stream:
        ref = adapter_name(domain, adapter).release(number)
        files = await reports.run(domain, actor(request), _files, registry.get(), ref, actor(request))
        headers = {"content-length": str(tar_size(files)), "x-postil-release": str(ref)}
        return Stream(tar_chunks(files), media_type=_TAR, headers=headers)

    return [artifact]


def _files(registry: Registry, ref: ReleaseRef, actor: str) -> Sequence[TarFile]:
    release = registry.release(ref)
    signature = signature_of(registry.database, release.domain, release.artifact)
    files = release_files(release, registry.artifacts.verified_path(release.artifact), signature)
    note_export(registry.database, release, actor=actor)
    return files
