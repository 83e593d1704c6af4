"""The client of vLLM, on a unix socket or at a URL. Translates HTTP errors into the gateway's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from postil.gateway.engine.about import models_of, tokens_of, version_of
from postil.gateway.engine.decode import decode
from postil.gateway.engine.health.activity import EngineActivity
from postil.gateway.engine.start_clock import SOON_SECONDS
from postil.gateway.engine.transport.http1 import HttpClient
from postil.gateway.engine.transport.response import MOST_BYTES, BrokenError, EngineResponse, SilentError
from postil.gateway.errors import EngineKeyRefusedError, EngineRefusedError, EngineUnavailableError, GatewayError
from postil.gateway.telemetry.head_lines import request_line

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
# What vLLM says where it failed without a word of its own is plain text.
_NOT_JSON = msgspec.json.encode(GatewayError("the engine failed on this request").openai())
# For questions to which an engine that is well knows the answer.
_QUICK_SECONDS = 5.0
# A scrape goes on without what a busy engine would say.
_METRICS_SECONDS = 2.0
_GONE = (BrokenError, SilentError, TimeoutError, OSError)
# Nobody listens at its address: one that is only busy would let a connection wait.
_NOBODY = (ConnectionRefusedError, FileNotFoundError)
# What needs the engine's core to be answered; all else tells only of its front end.
_GENERATES = ("/completions", "/embeddings")
# Pauses before a request is asked again whose connection broke before any of its answer was there.
_AGAIN_SECONDS = (0.0, 0.1)
# What it says where it does not know whoever asks: that is the gateway, and never the gateway's own client.
_KEY_REFUSED = (401, 403)
# What is read at most of what it says of itself: a list of 10,000 models is 5 MB.
_MOST_BYTES_OF_ITSELF = 8 << 20
_anything = msgspec.json.Decoder()


class Health(Enum):
    """The result of a health check; ``SILENT``: no answer in time, ``UNHEALTHY``: vLLM cannot go on, or is gone."""

    HEALTHY = "well"
    UNHEALTHY = "sick"
    SILENT = "silent"


class EngineClient:
    """Sends requests to vLLM. ``address`` is ``unix:/path/to/socket`` or ``http://host:port``.

    ``ca_file`` names authorities that are trusted beside the system's, for an https address.
    ``api_key`` is sent with every request, and no answer of more than ``most_bytes`` is read.
    ``on_unhealthy`` is called when the engine is found unable to go on, before whoever asked is told.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout_seconds: float,
        api_key: str | None = None,
        most_bytes: int = MOST_BYTES,
        ca_file: Path | None = None,
    ) -> None:
        self._http = HttpClient(address, timeout_seconds=timeout_seconds, api_key=api_key, ca_file=ca_file)
        self._most_bytes = most_bytes
        self.on_unhealthy: Callable[[], None] = lambda: None
        # How long who was not answered should wait before it asks again.
        self.retry_seconds: Callable[[], int] = lambda: SOON_SECONDS
        self.activity = EngineActivity()
        # What the engine is told of a request beside its body, as lines of its head.
        self.lines: Callable[[], bytes] = request_line
        # The context in tokens as the engine says it, None until it was asked for its models.
        self.window: int | None = None
        self._cuts = 0

    async def post(self, path: str, payload: Mapping[str, Any]) -> bytes:
        """Send JSON and read the whole answer.

        Raises EngineRefusedError for a status of 400 and above, EngineUnavailableError if no whole answer came, and
        EngineKeyRefusedError where the engine wants another key.
        """
        async with self._sent(path, payload) as answer:
            body = await answer.read(self._most_bytes)
            if path.endswith(_GENERATES):
                self.activity.heard()
            return body

    @asynccontextmanager
    async def stream(
        self, path: str, payload: Mapping[str, Any], on_end: Callable[[], None] = lambda: None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send JSON and stream the answer; otherwise as ``post``. Leaving the block early cancels it in the engine.

        ``on_end`` is called once the engine works on it no longer, which may be long before it is read to its end.
        """
        async with self._sent(path, payload, on_end) as answer:
            yield self._chunks(answer)

    async def healthy(self) -> bool:
        """Whether the engine's health check passes. Raises EngineKeyRefusedError."""
        health, status = await self._health()
        if status in _KEY_REFUSED:
            raise EngineKeyRefusedError
        return health is Health.HEALTHY

    async def health(self) -> Health:
        """The result of the engine's health check, within five seconds."""
        return (await self._health())[0]

    async def load_adapter(self, name: str, folder: str) -> None:
        """Load an adapter; one that is loaded already under that name counts as loaded."""
        try:
            await self.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder})
        except EngineRefusedError as error:
            if b"already been loaded" not in error.body:
                raise

    async def loaded(self) -> set[str]:
        """The names of all loaded models, the base among them. Raises as ``post`` does."""
        try:
            status, body = await self._get("/v1/models")
        except _GONE as error:
            raise self._unavailable(repr(error)) from error
        if status in _KEY_REFUSED:
            raise EngineKeyRefusedError
        if status >= 400:
            raise EngineRefusedError(status, body)
        names, window = models_of(body)
        self.window = window or self.window
        return names

    async def version(self) -> str | None:
        """The version that the engine says it has, without what tells how it was built; None if it says none."""
        try:
            status, body = await self._get("/version")
            return version_of(body) if status == 200 else None
        except (*_GONE, EngineUnavailableError):
            return None

    async def tokens(self) -> bytes | None:
        """The engine's token counters, to compare with later ones; None if it has none."""
        try:
            status, body = await self._get("/metrics")
        except _GONE:
            return None
        return tokens_of(body) if status == 200 else None

    async def metrics(self) -> bytes:
        """What the engine tells of itself for Prometheus; nothing while it does not answer."""
        try:
            status, body = await self._get("/metrics", _METRICS_SECONDS)
        except _GONE:
            return b""
        return body if status == 200 else b""

    async def cut(self) -> None:
        """Fail all requests in flight with EngineUnavailableError; none is sent again."""
        self._cuts += 1
        await self._http.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def _health(self) -> tuple[Health, int]:
        try:
            status, _ = await self._get("/health")
        except _NOBODY:
            return Health.UNHEALTHY, 0
        except _GONE:
            return Health.SILENT, 0
        return Health.HEALTHY if status == 200 else Health.UNHEALTHY, status

    async def _get(self, path: str, seconds: float = _QUICK_SECONDS) -> tuple[int, bytes]:
        async with asyncio.timeout(seconds):
            answer = await self._http.ask(b"GET", path.encode())
            try:
                return answer.status, await answer.read(_MOST_BYTES_OF_ITSELF)
            finally:
                answer.leave()

    @asynccontextmanager
    async def _sent(
        self, path: str, payload: Mapping[str, Any], on_end: Callable[[], None] | None = None
    ) -> AsyncIterator[EngineResponse]:
        """An answer with a good status. It does not show that the core works: vLLM's front end sends it alone."""
        well, answer, asked = False, None, _Asked(self.activity, counts=path.endswith(_GENERATES))
        try:
            answer = await self._begun(path, _encoder.encode(payload))
            if answer.status >= 400:
                await self._refuse(answer)
            if on_end is not None:
                answer.when_ended(partial(asked.ended, answer, on_end))
            yield answer
            well = answer.done  # One that was left before its end may have been left because nothing came.
        except _GONE as error:
            if isinstance(error, _NOBODY):
                self.on_unhealthy()
            raise self._unavailable(repr(error)) from error
        finally:
            asked.done(well=well)
            if answer is not None:
                answer.leave()

    async def _begun(self, path: str, body: bytes) -> EngineResponse:
        """Send the request; again if the connection broke before the first byte of an answer.

        A second try takes a new connection: what broke a kept one may have broken all of them.
        """
        where, fresh, cuts = path.encode(), False, self._cuts
        lines = self.lines()
        for pause in _AGAIN_SECONDS:
            try:
                return await self._http.ask(b"POST", where, body, fresh=fresh, lines=lines)
            except (BrokenError, OSError) as error:
                begun = isinstance(error, BrokenError) and error.begun
                if isinstance(error, TimeoutError) or begun or cuts != self._cuts:
                    raise
                log.warning("a connection to the engine broke before it answered (%r); asking again", error)
            await asyncio.sleep(pause)
            if cuts != self._cuts:
                raise BrokenError("nobody is to wait for it any longer")
            fresh = True
        return await self._http.ask(b"POST", where, body, fresh=True, lines=lines)

    async def _refuse(self, answer: EngineResponse) -> NoReturn:
        """Raise the error for a bad status; a 500 from an engine that lost its core is not the request's fault."""
        if answer.status in _KEY_REFUSED:
            raise EngineKeyRefusedError
        body = await answer.read(self._most_bytes)
        if answer.status >= 500 and (health := await self.health()) is not Health.HEALTHY:
            if health is Health.UNHEALTHY:  # One that is silent may only be busy; whoever watches it will see.
                self.on_unhealthy()
            raise self._unavailable(f"it said {answer.status}")  # Its text may quote the request: logs carry none.
        raise EngineRefusedError(answer.status, body if _is_object(body) else _NOT_JSON)

    async def _chunks(self, answer: EngineResponse) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.chunks():
                # A comment keeps connections open and tells of no token; what is read later tells of an engine of then.
                if not (answer.done or chunk.startswith(b":")):
                    self.activity.heard()
                yield chunk
        except _GONE as error:
            raise self._unavailable(repr(error)) from error

    def _unavailable(self, why: str) -> EngineUnavailableError:
        """The error for the client, which may try again; the log says what happened."""
        log.warning("the engine did not answer: %s", why)
        return EngineUnavailableError(
            "the engine is not answering; it is being restarted, so try again in a moment",
            retry_after=self.retry_seconds(),
        )


class _Asked:
    """One request, counted as waiting for the engine's core until it is done, and counted out once."""

    __slots__ = ("_activity", "_counts")

    def __init__(self, activity: EngineActivity, *, counts: bool) -> None:
        self._activity = activity
        self._counts = counts
        if counts:
            activity.asked()

    def done(self, *, well: bool) -> None:
        if self._counts:
            self._counts = False
            self._activity.done(well=well)

    def ended(self, answer: EngineResponse, on_end: Callable[[], None]) -> None:
        """Count it out before its slot is free, so that no more are at work than there are slots."""
        if answer.done:
            self._activity.heard()
        self.done(well=answer.done)
        on_end()


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(decode(body, _anything, "error"), dict)
    except EngineUnavailableError:
        return False
