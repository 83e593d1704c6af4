"""The errors that the OpenAPI document tells of: OpenAI's shape under ``/v1``, problem details everywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

PROBLEM = "application/problem+json"
JSON = "application/json"
# What any request may meet: a value that cannot be, no key, no right, a registry that is away.
_ANY = (400, 401, 403, 503)
_ACTS = (409, 413, 415, 422)


class Problem(msgspec.Struct, kw_only=True):
    """An error as problem details (RFC 9457): ``detail`` is one sentence, with the cause and what to do."""

    type: str
    title: str
    status: int
    detail: str


class OpenAIError(msgspec.Struct, kw_only=True):
    """What went wrong, as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorBody(msgspec.Struct, kw_only=True):
    """An error in OpenAI's shape."""

    error: OpenAIError


def document_problems(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Tell of the errors that routes of the admin API answer, beside those that each of them names itself."""
    return [_documented(handler, Problem, PROBLEM, _statuses(handler)) for handler in handlers]


def document_openai_errors(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """The same for routes under ``/v1``."""
    return [_documented(handler, OpenAIErrorBody, JSON, (*_ANY, 404)) for handler in handlers]


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Errors that a route names itself."""
    return _specs(Problem, PROBLEM, statuses)


def _statuses(handler: HTTPRouteHandler) -> Iterable[int]:
    """What a route may answer: 404 where its path or its body names something, and what only acts run into."""
    reads = handler.http_methods <= {"GET", "HEAD"}
    named = any("{" in path for path in handler.paths)
    return (*_ANY, *((404,) if named or not reads else ()), *(() if reads else _ACTS))


def _documented(
    handler: HTTPRouteHandler, body: type[msgspec.Struct], media_type: str, statuses: Iterable[int]
) -> HTTPRouteHandler:
    handler.responses = {**_specs(body, media_type, statuses), **(handler.responses or {})}
    return handler


def _specs(body: type[msgspec.Struct], media_type: str, statuses: Iterable[int]) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            body, generate_examples=False, description=HTTPStatus(status).phrase, media_type=media_type
        )
        for status in statuses
    }
