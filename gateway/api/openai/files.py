"""``/v1/files``: training files, for those who may publish to their domain."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from litestar import delete, get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import File
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest, actor, caller_of
from postil.gateway.api.documented_errors import openai_errors
from postil.gateway.api.openai.training_schemas import FileDeleted, FileList, FileObject
from postil.gateway.api.openai.training_shown import show_file
from postil.gateway.control.jobs.service import FineTuning
from postil.gateway.errors import BadRequestError
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.registry.jobs.files import PURPOSE, Upload
from postil.registry.jobs.lists import MOST
from postil.registry.names import parse_domain

PREFIX = "/v1"
# As OpenAI has them.
_SHORTEST, _LONGEST = 3600, 30 * 86_400
# What OpenAI's clients may ask for; a page has ``MOST`` at most.
_ASKED = 10_000
Size = Annotated[int, QueryParameter(ge=1, le=_ASKED, description="Maximum number of files.")]
Start = Annotated[str | None, QueryParameter(description="The id of the last file of the previous page.")]


def file_routes(tuning: FineTuning, denied: DeniedAttempts) -> list[Any]:
    """Return the routes; the form of an upload is documented with the whole document."""
    return [*_writing(tuning, denied), *_reading(tuning)]


def _writing(tuning: FineTuning, denied: DeniedAttempts) -> list[Any]:

    @post(
        "/files",
        status_code=200,
        request_max_body_size=tuning.bounds.file_bytes + (1 << 20),
        may=Permission.PUBLISH,
        responses=openai_errors(507),
    )
    async def upload_file(request: AnyRequest) -> FileObject:
        """Upload a training file (JSONL) of a domain; all its faults are told at once."""
        with tuning.admitted(_bytes(request)):
            form = await _form(tuning, request)
            content = form.get("file")
            if not isinstance(content, UploadFile):
                raise BadRequestError("send the training file in the form field `file`", param="file")
            if (purpose := str(form.get("purpose", ""))) != PURPOSE:
                raise BadRequestError(f"purpose has to be `{PURPOSE}`, not {purpose[:40]!r}", param="purpose")
            domain = _domain(request, denied, form.get("domain"))
            upload = Upload(Path(), content.filename or "", domain, actor(request), _kept_for(form))
            return show_file(await tuning.add_file(content.file, upload))

    @delete("/files/{file_id:str}", status_code=200, may=Permission.PUBLISH)
    async def remove(request: AnyRequest, file_id: FromPath[str]) -> FileDeleted:
        """Delete a training file with its content."""
        scope = caller_of(request).scope
        await asyncio.to_thread(tuning.files.remove, file_id, scope, actor=actor(request))
        return FileDeleted(id=file_id)

    return [upload_file, remove]


def _reading(tuning: FineTuning) -> list[Any]:
    @get("/files", may=Permission.PUBLISH)
    async def list_files(
        request: AnyRequest,
        purpose: FromQuery[str | None] = None,
        limit: Size = _ASKED,
        order: FromQuery[Literal["asc", "desc"]] = "desc",
        after: Start = None,
    ) -> FileList:
        """List the training files of the key's domains."""
        if purpose not in (None, PURPOSE):
            return FileList(data=[], first_id=None, last_id=None, has_more=False)
        scope = caller_of(request).scope
        page = await asyncio.to_thread(
            tuning.files.list, scope, after=after, limit=min(limit, MOST), oldest_first=order == "asc"
        )
        data = list(map(show_file, page.data))
        ends = (data[0].id, data[-1].id) if data else (None, None)
        return FileList(data=data, first_id=ends[0], last_id=ends[1], has_more=page.has_more)

    @get("/files/{file_id:str}", may=Permission.PUBLISH)
    async def show(request: AnyRequest, file_id: FromPath[str]) -> FileObject:
        """Show what is known of a training file."""
        return show_file(await asyncio.to_thread(tuning.files.get, file_id, caller_of(request).scope))

    @get("/files/{file_id:str}/content", may=Permission.PUBLISH)
    async def download(request: AnyRequest, file_id: FromPath[str]) -> File:
        """Read a training file; the log says who did."""
        scope = caller_of(request).scope
        path = await asyncio.to_thread(tuning.files.read, file_id, scope, actor=actor(request))
        return File(path, filename=file_id, media_type="application/octet-stream")

    return [list_files, show, download]


def _bytes(request: AnyRequest) -> int | None:
    stated = request.headers.get("content-length", "")
    return int(stated) if stated.isascii() and stated.isdigit() else None


async def _form(tuning: FineTuning, request: AnyRequest) -> Any:
    try:
        return await request.form()
    except ClientException as error:
        if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
            raise tuning.too_large() from error
        raise BadRequestError(f"the body is not a whole form ({error.detail}); send it again") from error


def _domain(request: AnyRequest, denied: DeniedAttempts, given: object) -> str:
    """The domain that the form names, or the only one that the key is for."""
    scope = caller_of(request).scope
    if isinstance(given, str) and given:
        domain = parse_domain(given)
        check_domain(denied, request, Permission.PUBLISH, domain, PREFIX)
        return domain
    if scope is not None and len(scope) == 1:
        return next(iter(scope))
    raise BadRequestError(
        "this key is for several domains, so say whose file it is in the form field `domain`: with OpenAI's client,"
        ' extra_body={"domain": "healthcare"}',
        param="domain",
    )


def _kept_for(form: Any) -> timedelta | None:
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    text = str(seconds)
    if anchor != "created_at" or not (text.isascii() and text.isdigit()) or not _SHORTEST <= int(text[:9]) <= _LONGEST:
        raise BadRequestError(
            f"expires_after needs the anchor `created_at`, and seconds from {_SHORTEST} to {_LONGEST}",
            param="expires_after",
        )
    return timedelta(seconds=int(text[:9]))
