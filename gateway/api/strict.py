"""Reads parameters and bodies as they are documented: 0 is no boolean, a text no number, and no name is passed over."""

from __future__ import annotations

import re
from types import NoneType
from typing import Any, NamedTuple, get_args

import msgspec
from litestar import Request
from litestar.enums import ParamType
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg

from postil.gateway.errors import BadRequestError

_ADMIN = "/api/v1/"
_BOOLEANS = ("true", "false")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")
_WORDS = {bool: "true or false", int: "a whole number", float: "a number"}


class _Expected(NamedTuple):
    """A route's body, if it has one, and its parameters by how they are written: in the query, in the path."""

    body: Any
    query: dict[str, set[type]]
    path_integers: list[str]


class StrictRequests:
    """A hook before each route. It refuses what the framework would take for something else."""

    def __init__(self) -> None:
        self._expected: dict[HTTPRouteHandler, _Expected] = {}

    async def __call__(self, request: Request[Any, Any, Any]) -> None:
        """Check a request. Raises BadRequestError."""
        handler = request.route_handler
        expected = self._expected.get(handler)
        if expected is None:
            expected = self._expected[handler] = _expected(handler)
        _check_query(request, expected)
        _check_path(request, expected)
        if expected.body is not None:
            _check_body(await request.body(), expected.body)


def _expected(handler: HTTPRouteHandler) -> _Expected:
    query, integers = {}, []
    for name, field in handler.parsed_fn_signature.parameters.items():
        kind = field.kwarg_definition
        if not isinstance(kind, ParameterKwarg):
            continue
        types = (set(get_args(field.annotation)) or {field.annotation}) - {NoneType}
        if kind.param_type is ParamType.QUERY:
            query[kind.query or kind.name or name] = types
        elif kind.param_type is ParamType.PATH and int in types:
            integers.append(name)
    body = handler.parsed_data_field
    return _Expected(None if body is None else body.annotation, query, integers)


def _check_query(request: Request[Any, Any, Any], expected: _Expected) -> None:
    """Under ``/v1`` clients of other servers send parameters of theirs, which are passed over."""
    for name in request.query_params:
        values = request.query_params.getall(name)
        if name not in expected.query:
            if request.scope["path"].startswith(_ADMIN):
                known = ", ".join(sorted(expected.query)) or "none"
                raise BadRequestError(f"there is no parameter {name[:40]!r}; there are {known}", param=name[:40])
        elif len(values) > 1:
            raise BadRequestError(f"the parameter {name} is sent twice; send it once", param=name)
        else:
            _check_value(name, values[0], expected.query[name])


def _check_value(name: str, value: str, types: set[type]) -> None:
    if (
        (bool in types and value not in _BOOLEANS)
        or (int in types and not _INTEGER.fullmatch(value))
        or (float in types and not _NUMBER.fullmatch(value))
    ):
        wanted = next(_WORDS[kind] for kind in (bool, int, float) if kind in types)
        raise BadRequestError(f"{name} has to be {wanted}", param=name)


def _check_path(request: Request[Any, Any, Any], expected: _Expected) -> None:
    """A whole number is written in one way, so that one thing has one address."""
    parts = request.scope["path"].split("/")
    for name in expected.path_integers:
        if str(request.path_params.get(name)) not in parts:
            raise BadRequestError(f"{name} has to be a whole number in decimal digits", param=name)


def _check_body(raw: bytes, expected: Any) -> None:
    """Check a body against its type; as in JSON Schema, 4.0 is a whole number."""
    try:
        try:
            msgspec.json.decode(raw, type=expected, strict=True)
        except msgspec.ValidationError:
            msgspec.convert(_with_whole(msgspec.json.decode(raw)), expected, strict=True)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise BadRequestError(f"{where.removesuffix('`')} {what}".strip()) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None


def _with_whole(value: Any) -> Any:
    """A decoded value with each number that has no fraction as an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_whole(each) for each in value]
    if isinstance(value, dict):
        return {key: _with_whole(each) for key, each in value.items()}
    return value
