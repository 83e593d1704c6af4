"""One client for every engine: vLLM on a unix socket or at a URL. Foreign exceptions end here."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, NoReturn

import aiohttp
import msgspec

from postil.gateway.engine.pulse import Pulse
from postil.gateway.errors import EngineRefusedError, EngineUnavailableError

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_HEADERS = {"Content-Type": "application/json"}
# Shorter than the engine keeps idle connections, so that no request is written into a closing one.
_KEEPALIVE_SECONDS = 30.0
# For questions to which an engine that is well knows the answer.
_QUICK = aiohttp.ClientTimeout(total=5)
_GONE = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
# Pauses before a request is asked again whose connection broke before any of its answer was there.
_AGAIN_SECONDS = (0.0, 0.1)
_TOKENS = re.compile(rb"^vllm:(?:generation|prompt)_tokens_total\b\S* (\S+)$", re.MULTILINE)


class Health(Enum):
    """What an engine says of itself; ``SILENT`` is no answer, ``SICK`` one that it cannot go on."""

    WELL = "well"
    SICK = "sick"
    SILENT = "silent"


class EngineClient:
    """Speaks to vLLM. ``address`` is ``unix:/path/to/socket`` or ``http://host:port``.

    ``on_sick`` is called when the engine is found unable to go on, before whoever asked is told.
    """

    def __init__(self, address: str, *, timeout_seconds: float) -> None:
        self._socket = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._root = "http://engine" if self._socket else address.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=None, sock_read=timeout_seconds, sock_connect=10)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self.on_sick: Callable[[], None] = lambda: None
        self.pulse = Pulse()
        self._cuts = 0
        self._answering: set[aiohttp.ClientResponse] = set()

    async def post(self, path: str, payload: Mapping[str, Any]) -> bytes:
        """Send JSON and read the whole answer.

        Raises EngineRefusedError for a status of 400 and above, EngineUnavailableError if no whole answer came.
        """
        async with self._sent(path, payload) as response:
            return await response.read()

    @asynccontextmanager
    async def stream(self, path: str, payload: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send JSON and hand out the answer as it comes, as ``post`` does. Leaving early cancels it in the engine."""
        async with self._sent(path, payload) as response:
            yield self._chunks(response)

    async def healthy(self) -> bool:
        """Whether the engine says that it is."""
        return await self.health() is Health.WELL

    async def health(self) -> Health:
        """What the engine says of itself, within five seconds."""
        try:
            async with self._open().get(f"{self._root}/health", timeout=_QUICK) as response:
                return Health.WELL if response.status == 200 else Health.SICK
        except _GONE:
            return Health.SILENT

    async def load_adapter(self, name: str, folder: str) -> None:
        """Load an adapter. One that is loaded already under that name is the same one."""
        try:
            await self.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder})
        except EngineRefusedError as error:
            if b"already been loaded" not in error.body:
                raise

    async def loaded(self) -> set[str]:
        """The names of everything that the engine can answer as, the base among them. Raises as ``post`` does."""
        try:
            async with self._open().get(f"{self._root}/v1/models", timeout=_QUICK) as response:
                if response.status >= 400:
                    await self._refuse(response)
                return {model["id"] for model in msgspec.json.decode(await response.read())["data"]}
        except _GONE as error:
            raise _unavailable(repr(error)) from error

    async def tokens(self) -> bytes | None:
        """What the engine says of the tokens that it has read and made, to be compared; None where it does not."""
        try:
            async with self._open().get(f"{self._root}/metrics", timeout=_QUICK) as response:
                return b" ".join(_TOKENS.findall(await response.read())) or None
        except _GONE:
            return None

    async def cut(self) -> None:
        """Nobody waits any longer: whoever does gets EngineUnavailableError now, and is not asked for again."""
        self._cuts += 1
        for response in self._answering:
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
        # They are told of it when the loop comes round; closing a session tells only those who wait for a beginning.
        await asyncio.sleep(0)
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    @asynccontextmanager
    async def _sent(self, path: str, payload: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        well, response = False, None
        self.pulse.asked()
        try:
            response = await self._begun(path, _encoder.encode(payload))
            async with response:
                self.pulse.heard()
                self._answering.add(response)
                if well := response.status >= 400:
                    await self._refuse(response)
                yield response
            well = True
        except _GONE as error:
            raise _unavailable(repr(error)) from error
        finally:
            self.pulse.done(well=well)
            if response is not None:
                self._answering.discard(response)

    async def _begun(self, path: str, body: bytes) -> aiohttp.ClientResponse:
        """Ask, and again where the connection broke before any answer: nobody has seen a byte of it yet.

        The other times on a connection of its own: what broke one that was kept may have broken all of them.
        """
        session, cuts = self._open(), self._cuts
        for pause in _AGAIN_SECONDS:
            try:
                return await session.post(self._root + path, data=body, headers=_HEADERS)
            except aiohttp.SocketTimeoutError:
                raise  # It was heard, and had all the time that there is.
            except aiohttp.ClientConnectionError as error:
                if cuts != self._cuts:
                    raise
                log.warning("a connection to the engine broke before it answered (%r); asking again", error)
            await asyncio.sleep(pause)
            session = self._open(fresh=True)
        return await session.post(self._root + path, data=body, headers=_HEADERS)

    async def _refuse(self, response: aiohttp.ClientResponse) -> NoReturn:
        """An engine that lost its core says 500 to what it was doing; that is no fault of the request."""
        body = await response.read()
        if response.status >= 500 and (health := await self.health()) is not Health.WELL:
            if health is Health.SICK:  # One that is silent may only be busy; whoever watches it will see.
                self.on_sick()
            raise _unavailable(f"it said {response.status}")  # Its text may quote the request: logs carry none.
        raise EngineRefusedError(response.status, body)

    def _open(self, *, fresh: bool = False) -> aiohttp.ClientSession:
        """A session, made on first use: it belongs to the loop that runs then. ``fresh`` ones keep no connection."""
        if fresh not in self._sessions:
            keeping: dict[str, Any] = {"force_close": True} if fresh else {"keepalive_timeout": _KEEPALIVE_SECONDS}
            connector = (
                aiohttp.UnixConnector(self._socket, limit=0, **keeping)
                if self._socket
                else aiohttp.TCPConnector(limit=0, **keeping)
            )
            self._sessions[fresh] = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._sessions[fresh]

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.content.iter_any():
                self.pulse.heard()
                yield chunk
        except _GONE as error:
            raise _unavailable(repr(error)) from error


def _unavailable(why: str) -> EngineUnavailableError:
    """For the client, that it may try again; for the people who run the gateway, what happened."""
    log.warning("the engine did not answer: %s", why)
    return EngineUnavailableError("the engine is not answering; it is being restarted, so try again in a moment")
