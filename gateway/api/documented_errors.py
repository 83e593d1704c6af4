"""Errors in the OpenAPI document: OpenAI's format under ``/v1``, problem details elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

PROBLEM = "application/problem+json"
JSON = "application/json"
# Errors of any request: an invalid value, a missing key, a missing permission, a name or a cursor of nothing, too many
# requests at a time, an unavailable registry.
_ANY = (400, 401, 403, 404, 422, 429, 503)
_ACTS = (409, 413, 415)


class Problem(msgspec.Struct, kw_only=True):
    """An error as problem details (RFC 9457): ``detail`` states the cause and the remedy in one sentence."""

    type: str
    title: str
    status: int
    detail: str


class OpenAIError(msgspec.Struct, kw_only=True):
    """The error object of OpenAI's format."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIErrorBody(msgspec.Struct, kw_only=True):
    """An error in OpenAI's format."""

    error: OpenAIError


def document_problems(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Document the common errors of admin routes, in addition to those that each route declares."""
    return [_documented(handler, Problem, PROBLEM, _statuses(handler)) for handler in handlers]


def document_openai_errors(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Document the common errors of routes under ``/v1``."""
    return [_documented(handler, OpenAIErrorBody, JSON, _statuses(handler)) for handler in handlers]


def openai_errors(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the responses for errors that a route under ``/v1`` declares."""
    return _specs(OpenAIErrorBody, JSON, statuses)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the responses for errors that a route declares."""
    return _specs(Problem, PROBLEM, statuses)


def _statuses(handler: HTTPRouteHandler) -> Iterable[int]:
    """Return a route's error statuses; some are those of writes only."""
    return _ANY if handler.http_methods <= {"GET", "HEAD"} else (*_ANY, *_ACTS)


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
