"""Bodies that are sent compressed, unpacked piece by piece: whoever reads them stops at their own limit."""

from __future__ import annotations

import zlib
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.error_responses import tell
from postil.gateway.errors import BadRequestError, UnsupportedMediaError

# So much is unpacked at a time, whatever was sent.
_PIECE_BYTES = 64 << 10
# What is sent may be so much more than what is in it; a body of empty blocks would have no end.
_MOST_OVERHEAD, _OVERHEAD_SHARE = 64 << 10, 64
_GZIP, _DEFLATE, _IDENTITY = (b"gzip", b"x-gzip"), b"deflate", (b"identity", b"")
_TAKEN = {"accept-encoding": "gzip, deflate"}
_FRAMING = (b"content-length", b"transfer-encoding")
_OF_THE_WIRE = (b"content-encoding", *_FRAMING)
_BROKEN = "the body is not whole in its Content-Encoding; compress it again, or send it as it is"


def decoded(app: ASGIApp, encoding: bytes) -> ASGIApp:
    """Wrap an application for a request whose body has this ``Content-Encoding``; it sees the body without."""
    name = encoding.strip().lower()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if name in _GZIP or name == _DEFLATE:
            await app(_plain(scope), Unpacking(receive, gzip=name != _DEFLATE), send)
        elif name in _IDENTITY:
            await app(scope, receive, send)
        else:
            error = UnsupportedMediaError(
                "the body's Content-Encoding is neither gzip nor deflate; send one of them, or none"
            )
            error.headers = _TAKEN
            await tell(error, scope["path"], send)

    return answer


def _plain(scope: Scope) -> Scope:
    """The request as it would have been sent without an encoding; its length is not known."""
    headers = [pair for pair in scope["headers"] if pair[0] not in _OF_THE_WIRE]
    if any(name in _FRAMING for name, _ in scope["headers"]):
        headers.append((b"transfer-encoding", b"chunked"))
    plain: Any = {**scope, "headers": headers}
    return plain  # type: ignore[no-any-return]


class Unpacking:
    """Receives a compressed body as its content, in pieces. Raises BadRequestError where it is broken or has no end."""

    def __init__(self, receive: Receive, *, gzip: bool) -> None:
        self._receive = receive
        self._gzip = gzip
        self._unpacker: Any = None
        self._raw = b""
        self._more, self._over, self._is_full = True, False, False
        self._taken = self._given = 0

    async def __call__(self) -> Any:
        """The next piece, or that the client has gone."""
        while not self._over:
            if self._raw or self._is_full:
                if piece := self._piece():
                    return {"type": "http.request", "body": piece, "more_body": True}
            elif self._more:
                message: Any = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._raw, self._more = message["body"], message["more_body"]
                self._taken += len(self._raw)
            else:
                self._end()
                return {"type": "http.request", "body": b"", "more_body": False}
        return await self._receive()

    def _piece(self) -> bytes:
        """Unpack the next piece of what has come. What an unpacker holds back for want of room is a piece, too."""
        try:
            if self._unpacker is None or self._unpacker.eof:
                self._unpacker = zlib.decompressobj(self._bits())
            unpacker = self._unpacker
            piece: bytes = unpacker.decompress(self._raw, _PIECE_BYTES)
        except zlib.error:
            raise BadRequestError(_BROKEN) from None
        self._is_full = len(piece) == _PIECE_BYTES and not unpacker.eof
        self._raw = unpacker.unconsumed_tail or unpacker.unused_data
        self._given += len(piece)
        if self._taken - len(self._raw) > self._given + self._given // _OVERHEAD_SHARE + _MOST_OVERHEAD:
            raise BadRequestError("the compressed body is larger than what is in it; send it as it is")
        return piece

    def _bits(self) -> int:
        if self._gzip:  # Such a file may have several parts.
            return 16 + zlib.MAX_WBITS
        if self._unpacker is not None:
            raise BadRequestError(_BROKEN)
        # Some send what RFC 9110 means by deflate, with the header of zlib, and some the bare data.
        has_header = self._raw[0] & 0x0F == zlib.DEFLATED
        return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS

    def _end(self) -> None:
        self._over = True
        if self._unpacker is not None and not self._unpacker.eof:
            raise BadRequestError(_BROKEN)
