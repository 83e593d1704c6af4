"""Parameters that the routes of the admin API share."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from postil.gateway.errors import BadRequestError
from postil.gateway.tenancy.directory import Caller
from postil.registry.db.paging import MOST
from postil.registry.names import AdapterName, parse_adapter

AnyRequest = Request[Any, Any, Any]
# Of every list: the page size, and the cursor at which the page starts.
Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Maximum number of items.")]
After = Annotated[
    str | None, QueryParameter(description="`next` of the previous page; default: the start of the list.")
]
NewestFirst = Annotated[bool, QueryParameter(description="Newest first instead of oldest first.")]


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    """The reason, stored in the event log."""

    reason: str = ""


class NeededReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    """The reason, stored in the event log; it may not be left out."""

    reason: str


def adapter_name(domain: str, adapter: str) -> AdapterName:
    """Return the adapter that a path names. Raises NameInvalidError."""
    return parse_adapter(f"{domain}/{adapter}")


def seconds(number: float | None) -> timedelta | None:
    """Return a duration. Raises BadRequestError if it exceeds what a date can hold."""
    try:
        if number is not None and -1e-6 < number < 0:
            return -timedelta.resolution  # It is refused as any below 0, and not rounded to it.
        return None if number is None else timedelta(seconds=number)
    except (OverflowError, ValueError) as error:
        raise BadRequestError("duration must be at most 10 years") from error


def caller_of(request: AnyRequest) -> Caller:
    """Return the authenticated caller."""
    caller: Caller = request.user
    return caller


def actor(request: AnyRequest) -> str:
    """Return the actor: the key's owner, or for the shared admin key file the name that the client states."""
    caller = caller_of(request)
    if not caller.root or (stated := request.headers.get("x-postil-actor")) is None:
        return caller.owner
    with suppress(UnicodeError):  # Headers are read as Latin-1, and commands send UTF-8; others may mean Latin-1.
        stated = stated.encode("latin-1").decode("utf-8")
    return stated[:200]
