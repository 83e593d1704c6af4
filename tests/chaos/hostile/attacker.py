"""What an attack has at hand: one tenant's key, one publisher's key, and a socket."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import ssl
import tarfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

# How long an attack waits for an answer. One that is held up longer has harmed nobody but itself.
_PATIENCE_SECONDS = 20
# What no request may be answered, whatever it says: the others are refusals, or "come again".
_OWN_FAULT = 500
# Who has too many requests on their way is told to come again, and an attack does.
_LIMITED, _AGAIN_SECONDS = 429, 8.0


@dataclass
class Attacker:
    """A tenant and a publisher who mean harm, and what they were answered: by attack, how often which status."""

    url: str
    tenant_key: str
    publisher_key: str
    domain: str
    session: aiohttp.ClientSession
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    async def chat(self, text: str = "hello", *, model: str = "base", **body: Any) -> int:
        """One chat completion with these fields."""
        return await self.send("/v1/chat/completions", {"model": model, "messages": _user(text), **body})

    async def text(self, prompt: Any = "hello", *, model: str = "base", **body: Any) -> int:
        """One text completion with these fields."""
        return await self.send("/v1/completions", {"model": model, "prompt": prompt, **body})

    async def send(self, path: str, body: Any) -> int:
        """A tenant's request; ``body`` is JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.tenant_key}", "Content-Type": "application/json"}
        return await self.request("POST", path, headers, data=data)

    async def get(self, path: str) -> int:
        """A tenant's request without a body."""
        return await self.request("GET", path, {"Authorization": f"Bearer {self.tenant_key}"})

    async def admin(self, method: str, path: str, body: Any = None) -> int:
        """A publisher's request to the admin API."""
        return await self.request(method, path, self._publisher(), json=body)

    async def publish(self, policy: str, files: Mapping[str, bytes], *, note: str = "", **fields: str) -> int:
        """Publish these files with this policy in the publisher's own domain."""
        form = aiohttp.FormData({"policy": policy, "note": note, **fields})
        form.add_field("artifact", io.BytesIO(packed(files)), filename="adapter.tar")
        return await self.upload(form)

    async def upload(self, form: aiohttp.FormData) -> int:
        """Upload a form as a release."""
        path = f"/api/v1/adapters/{self.domain}/evil/releases"
        return await self.request("POST", path, self._publisher(), data=form)

    async def raw(self, sent: bytes, *, then: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None) -> int:
        """Bytes on a socket of their own, and the status that came back; 0 where none did."""
        parts = urlsplit(self.url)
        tls = ssl._create_unverified_context() if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(sent)
                await writer.drain()
                if then is not None:
                    await then(writer)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                line = await reader.readline()
        except (TimeoutError, ConnectionError):
            return 0
        finally:
            writer.close()
        words = line.split()
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0

    def head(self, path: str = "/v1/chat/completions", *more: str, method: str = "POST") -> bytes:
        """A request's head with the tenant's key; ``more`` are header lines."""
        host = urlsplit(self.url).netloc
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {self.tenant_key}", *more]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def request(self, method: str, path: str, headers: Mapping[str, str], **given: Any) -> int:
        """Any request, and the status of its answer; 0 where none came. One that is limited comes again for a while."""
        # A form can be sent once.
        until = 0.0 if isinstance(given.get("data"), aiohttp.FormData) else time.monotonic() + _AGAIN_SECONDS
        while True:
            status = await self._once(method, path, headers, **given)
            if status != _LIMITED or time.monotonic() >= until:
                return status
            await asyncio.sleep(0.3)

    def note(self, attack: str, status: int) -> None:
        """Count an answer."""
        self.answers.setdefault(attack, Counter())[str(status or "none")] += 1
        if status == _OWN_FAULT:
            self.faults.append(f"{attack} was answered {status}")

    def _publisher(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.publisher_key}"}

    async def _once(self, method: str, path: str, headers: Mapping[str, str], **given: Any) -> int:
        if isinstance(given.get("data"), bytes):
            given["data"] = io.BytesIO(given["data"])
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self.session.request(method, self.url + path, headers=headers, **given) as response,
            ):
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to harm: its name, the finding that it repeats (0: one of our own), and what it does."""

    name: str
    finding: int
    run: Callable[[Attacker], Awaitable[int]]


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]
