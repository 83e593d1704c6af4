"""Reads the console's forms as strictly as the admin API reads JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from postil.gateway.api.admin.params import AnyRequest
from postil.gateway.errors import BadRequestError, UnsupportedMediaError

_FORM = "application/x-www-form-urlencoded"
_LARGEST_BYTES = 256 << 10
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form."""

    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a field, without the spaces around it; empty where it is not there."""
        return self.fields.get(name, "").replace("\r\n", "\n").strip()

    def needed(self, name: str, what: str) -> str:
        """Return a field that has to be filled in. Raises BadRequestError."""
        if not (found := self.text(name)):
            raise BadRequestError(f"{what} is missing; fill it in")
        return found

    def number(self, name: str) -> int:
        """Return a whole number of 0 or more. Raises BadRequestError."""
        found = self.text(name)
        if not (found.isascii() and found.isdigit() and len(found) <= _MOST_DIGITS):
            raise BadRequestError(f"{name} has to be a whole number")
        return int(found)

    def share(self, name: str) -> float:
        """Return a number, as of per cent. Raises BadRequestError."""
        try:
            return float(self.text(name)[:20])
        except ValueError:
            raise BadRequestError(f"{name} has to be a number") from None


async def read_form(request: AnyRequest, names: Collection[str]) -> Form:
    """Return the form that a request brings. Raises BadRequestError or UnsupportedMediaError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BYTES:
            raise BadRequestError(f"the form is larger than {_LARGEST_BYTES >> 10} KiB; send less")
    if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise UnsupportedMediaError("this takes the form of a page")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=20
        )
    except ValueError:
        raise BadRequestError("the form cannot be read; send it from the page") from None
    fields = dict(pairs)
    if len(fields) < len(pairs) or not set(fields) <= set(names):
        raise BadRequestError("the form has a field twice, or one that it does not have; open the page again")
    if any("\0" in text for text in fields.values()):
        raise BadRequestError("the form holds a NUL character; leave it out")
    return Form(fields)
