"""``/v1/fine_tuning/jobs``: jobs that end as a release, for those who may publish to its domain."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Annotated, Any

from litestar import Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from postil.gateway.api.admin.auth import check_domain, require_permission
from postil.gateway.api.admin.params import AnyRequest, actor, caller_of
from postil.gateway.api.documented_errors import document_openai_errors
from postil.gateway.api.openai.files import PREFIX, file_routes
from postil.gateway.api.openai.training_schemas import (
    DPO,
    SUPERVISED,
    FineTuningCheckpointList,
    FineTuningEventList,
    FineTuningJob,
    FineTuningJobBody,
    FineTuningJobList,
    PostilBody,
)
from postil.gateway.api.openai.training_shown import EVENT_MARK, options_of, show_checkpoints, show_event, show_job
from postil.gateway.control.jobs.service import FineTuning
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.runtime import Runtime
from postil.gateway.errors import BadRequestError
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.registry.errors import NotFoundError
from postil.registry.jobs import jobs
from postil.registry.jobs.jobs import JobRequest
from postil.registry.names import AdapterName, parse_adapter

Size = Annotated[int, QueryParameter(ge=1, le=1000, description="Maximum number of items.")]
Start = Annotated[str | None, QueryParameter(description="The id of the last item of the previous page.")]
_JOBS = "/fine_tuning/jobs"
_METHODS = (SUPERVISED, DPO)
_FILTER = re.compile(r"metadata\[(.{1,64})\]")
_EVENT = re.compile(EVENT_MARK + r"([1-9][0-9]{0,8})")
_MOST_FILTERS = 16


class UnsupportedParameterError(BadRequestError):
    """What OpenAI's API has and this one has not."""

    code = "unsupported_parameter"


def training_router(runtime: Runtime) -> Router:
    """Return the router of training files and jobs, behind the guard of the admin API's routes."""
    tuning, registry, denied = runtime.tuning, runtime.registry, runtime.denied_attempts
    routes = [*file_routes(tuning, denied), *job_routes(tuning, registry, denied, runtime.callers)]
    guard = require_permission(runtime.callers, denied, PREFIX)
    return Router(PREFIX, guards=[guard], route_handlers=document_openai_errors(routes))


def job_routes(tuning: FineTuning, registry: RegistryHandle, denied: DeniedAttempts, callers: Callers) -> list[Any]:
    """Return the routes."""
    return [*_making(tuning, registry, denied, callers), *_reading(registry)]


def _making(tuning: FineTuning, registry: RegistryHandle, denied: DeniedAttempts, callers: Callers) -> list[Any]:
    @post(_JOBS, status_code=200, may=Permission.PUBLISH)
    async def create(request: AnyRequest, data: JSONBody[FineTuningJobBody]) -> FineTuningJob:
        """Make a fine-tuning job, which ends as a release that is not live."""
        base = registry.get().base.id
        if data.model not in (BASE, base):
            raise BadRequestError(
                f"model has to be the base, `{BASE}` or {base}; the adapter is named by `suffix`", param="model"
            )
        _refuse_unsupported(data)
        name = await _name(tuning, request, data)
        check_domain(denied, request, Permission.PUBLISH, name.domain, PREFIX)
        wanted = JobRequest(
            name=name,
            model=data.model,
            training_file=data.training_file,
            validation_file=data.validation_file,
            options=options_of(data),
            seed=secrets.randbelow(2**31) if data.seed is None else data.seed,
            owner=actor(request),
            scope=caller_of(request).scope,
            made_with=_key_of(callers, request),
            remarks=data.metadata or {},
        )
        return show_job(await tuning.create(wanted))

    @post(f"{_JOBS}/{{job_id:str}}/cancel", status_code=200, may=Permission.PUBLISH)
    async def cancel(request: AnyRequest, job_id: FromPath[str]) -> FineTuningJob:
        """Cancel a fine-tuning job; its process is ended, and nothing is published."""
        return show_job(await tuning.cancel(job_id, caller_of(request).scope, actor(request)))

    @post(f"{_JOBS}/{{job_id:str}}/pause", status_code=200, may=Permission.PUBLISH)
    async def pause(request: AnyRequest, job_id: FromPath[str]) -> FineTuningJob:
        """Pause a fine-tuning job that waits or runs; what it has learned at its last checkpoint stays."""
        return show_job(await tuning.pause(job_id, caller_of(request).scope, actor(request)))

    @post(f"{_JOBS}/{{job_id:str}}/resume", status_code=200, may=Permission.PUBLISH)
    async def resume(request: AnyRequest, job_id: FromPath[str]) -> FineTuningJob:
        """Put a paused fine-tuning job back into the queue; it goes on from its last checkpoint."""
        return show_job(await tuning.resume(job_id, caller_of(request).scope, actor(request)))

    return [create, cancel, pause, resume]


def _key_of(callers: Callers, request: AnyRequest) -> str:
    """By what the key of a request is found again; empty for the key file, whose right does not end."""
    return "" if caller_of(request).root else callers.current.handle(request.headers.get("authorization"))


def _reading(registry: RegistryHandle) -> list[Any]:
    @get(_JOBS, may=Permission.PUBLISH)
    async def list_jobs(request: AnyRequest, limit: Size = 20, after: Start = None) -> FineTuningJobList:
        """List the fine-tuning jobs of the key's domains, the newest first; `metadata[k]=v` filters them."""
        page = await asyncio.to_thread(
            jobs.list_jobs,
            registry.database(),
            caller_of(request).scope,
            after=after,
            limit=limit,
            remarks=_remarks(request),
        )
        return FineTuningJobList(data=list(map(show_job, page.data)), has_more=page.has_more)

    @get(f"{_JOBS}/{{job_id:str}}", may=Permission.PUBLISH)
    async def show(request: AnyRequest, job_id: FromPath[str]) -> FineTuningJob:
        """Show a fine-tuning job."""
        return show_job(await asyncio.to_thread(jobs.get, registry.database(), job_id, caller_of(request).scope))

    @get(f"{_JOBS}/{{job_id:str}}/events", may=Permission.PUBLISH)
    async def events(
        request: AnyRequest, job_id: FromPath[str], limit: Size = 20, after: Start = None
    ) -> FineTuningEventList:
        """List what a job told, the newest first: messages, and figures of its steps."""
        scope, start = caller_of(request).scope, _event(after)
        page = await asyncio.to_thread(jobs.list_events, registry.database(), job_id, scope, after=start, limit=limit)
        return FineTuningEventList(data=list(map(show_event, page.data)), has_more=page.has_more)

    @get(f"{_JOBS}/{{job_id:str}}/checkpoints", may=Permission.PUBLISH)
    async def checkpoints(
        request: AnyRequest, job_id: FromPath[str], limit: Size = 10, after: FromQuery[str | None] = None
    ) -> FineTuningCheckpointList:
        """List the states of a job that can be asked: the best one, once it is a release."""
        return show_checkpoints(
            await asyncio.to_thread(jobs.get, registry.database(), job_id, caller_of(request).scope)
        )

    return [list_jobs, show, events, checkpoints]


def _refuse_unsupported(data: FineTuningJobBody) -> None:
    if data.integrations:
        raise UnsupportedParameterError("integrations are not served here; leave them out", param="integrations")
    if data.method is None:
        return
    kind = data.method.type
    if kind not in _METHODS:
        raise UnsupportedParameterError(
            f"the method {kind[:40]!r} is not served here; there are `{SUPERVISED}` and `{DPO}`", param="method.type"
        )
    for name in {*_METHODS, "reinforcement"} - {kind}:
        if getattr(data.method, name) is not None:
            raise UnsupportedParameterError(
                f"method.{name} does not go with the type `{kind}`; leave it out", param=f"method.{name}"
            )
    if kind == DPO and data.postil is not None:
        _refuse_of_labels(data.postil)


def _refuse_of_labels(own: PostilBody) -> None:
    for name in ("method", "reject"):
        if getattr(own, name) is not None:
            raise UnsupportedParameterError(
                f"postil.{name} does not go with the type `{DPO}`; leave it out", param=f"postil.{name}"
            )


async def _name(tuning: FineTuning, request: AnyRequest, data: FineTuningJobBody) -> AdapterName:
    """The adapter that ``suffix`` names: ``domain/adapter``, or ``adapter`` alone in the training file's domain."""
    if not data.suffix:
        raise BadRequestError(
            "suffix is missing: it names the adapter that gets the release, such as healthcare/triage", param="suffix"
        )
    stated = data.postil.domain if data.postil else None
    if "/" in data.suffix:
        name = parse_adapter(data.suffix)
        if stated not in (None, name.domain):
            raise BadRequestError(
                f"suffix is of {name.domain}, and postil.domain is {str(stated)[:64]}; leave one out", param="suffix"
            )
        return name
    if stated is None:
        try:
            file = await asyncio.to_thread(tuning.files.get, data.training_file, caller_of(request).scope)
        except NotFoundError as error:
            raise BadRequestError(str(error), param="training_file") from error
        stated = file.domain
    return parse_adapter(f"{stated}/{data.suffix}")


def _remarks(request: AnyRequest) -> dict[str, str]:
    found = {}
    for name, value in request.query_params.items():
        if match := _FILTER.fullmatch(name):
            found[match[1]] = str(value)[:512]
    return dict(list(found.items())[:_MOST_FILTERS])


def _event(after: str | None) -> int | None:
    if after is None:
        return None
    match = _EVENT.fullmatch(after)
    if match is None:
        raise BadRequestError(f"there is no event {after[:40]!r} to begin after; leave `after` out", param="after")
    return int(match[1])
