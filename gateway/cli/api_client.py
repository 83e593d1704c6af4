"""The commands' HTTP client: finds the gateway, sends the key, and turns errors into sentences."""

from __future__ import annotations

import getpass
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from postil.gateway.settings import Settings, read_settings
from postil.plugins.errors import ConfigError
from postil.plugins.trust import distrust, trusted_authorities
from postil.registry.text import cleaned

_TIMEOUT_SECONDS = 300.0


# The largest page that the API returns.
_PAGE = 1000
# Names and ids in a path have no other characters.
_PART = re.compile("[A-Za-z0-9@:._-]+")
_LAST_PORT = 65535
# What a header can carry; no key of ours has anything else.
_KEY = re.compile("[\x21-\x7e]+")


class CommandError(Exception):
    """A command failed; the text states the cause and the remedy."""


@contextmanager
def connected(*, openai: bool = False) -> Iterator[httpx.Client]:
    """Return a client for the gateway at POSTIL_URL, or at POSTIL_HOST and POSTIL_PORT. Raises CommandError.

    It is for the admin API, which may have a port of its own, or for the one in OpenAI's form. It goes by HTTPS_PROXY,
    HTTP_PROXY and NO_PROXY, unless the gateway is on this machine.
    """
    settings = read_settings()
    url = _url(settings, openai=openai)
    # As bytes: a header of text could not carry every user's name.
    headers = {b"authorization": f"Bearer {_key(settings)}".encode(), b"x-postil-actor": actor().encode()}
    with _client(url, headers, settings.ca_file) as client:
        try:
            yield client
        except httpx.TransportError as error:
            raise CommandError(_unreachable(_shown(url), error)) from error
        except httpx.HTTPError as error:
            raise CommandError(f"{_shown(url)} does not answer as a gateway does ({error}); see POSTIL_URL") from error


def _client(url: httpx.URL, headers: Mapping[bytes, bytes], ca_file: Path | None) -> httpx.Client:
    trust = trusted(ca_file) if url.scheme == "https" else False
    local = _is_local(url.host)
    try:
        return httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=not local, verify=trust)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # Its own text may hold the proxy's password.
        raise CommandError(
            "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not a proxy's URL such as http://proxy:3128; correct it, or name"
            f" {url.host} in NO_PROXY"
        ) from error


def call(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """Call the admin API once and return its JSON. Raises CommandError with the gateway's own message."""
    response = client.request(method, _checked_path(path), **arguments)
    if not response.is_success:
        raise CommandError(_refusal(response))
    try:
        return response.json() if response.content else None
    except ValueError as error:
        raise CommandError(_strange(response)) from error


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows read so far and the cursor of the next page; None if there are no more."""

    data: list[Any]
    next: str | None


def call_list(
    client: httpx.Client,
    path: str,
    params: Mapping[str, Any],
    limit: int,
    keep: Callable[[Any], bool] = lambda row: True,
) -> Listed:
    """Read pages until ``limit`` rows pass the filter, or to the end of the list if ``limit`` is 0."""
    found: list[Any] = []
    after: str | None = None
    while True:
        size = min(limit - len(found), _PAGE) if limit else _PAGE
        asked = {**params, "limit": size} | ({} if after is None else {"after": after})
        page = call(client, "GET", path, params=asked)
        if not isinstance(page, dict) or "data" not in page:
            raise CommandError(f"{client.base_url} does not answer as a postil gateway does; see POSTIL_URL")
        found += filter(keep, page["data"])
        after = page["next"]
        if after is None or (limit and len(found) >= limit):
            return Listed(found, after)


@contextmanager
def streamed(client: httpx.Client, path: str) -> Iterator[httpx.Response]:
    """Stream a response. Raises CommandError with the gateway's own message."""
    with client.stream("GET", _checked_path(path)) as response:
        if not response.is_success:
            response.read()
            raise CommandError(_refusal(response))
        yield response


def _checked_path(path: str) -> str:
    """The path itself. Raises CommandError where a name in it would lead to another place."""
    for part in path.removeprefix("/").split("/"):
        if not _PART.fullmatch(part) or part in (".", ".."):
            raise CommandError(f"{part!r} is no name here; names have letters, digits, -, _ and .")
    return path


def _refusal(response: httpx.Response) -> str:
    try:
        said = response.json()
        return str(said["error"]["message"] if "error" in said else said["detail"])
    except (ValueError, KeyError, TypeError):
        return _strange(response)


def _strange(response: httpx.Response) -> str:
    return f"{_shown(response.url)} answered {response.status_code}, which is not a postil gateway's answer"


def _key(settings: Settings) -> str:
    for name in ("POSTIL_KEY", "POSTIL_ADMIN_KEY"):
        if key := os.environ.get(name, "").strip():
            return _checked(key, name)
    try:
        key = settings.admin_key_file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise CommandError(
            f"there is no admin key at {settings.admin_key_file}; run this where the gateway runs, with the same"
            " POSTIL_HOME, or set POSTIL_KEY or POSTIL_ADMIN_KEY"
        ) from error
    return _checked(key, str(settings.admin_key_file))


def _checked(key: str, where: str) -> str:
    """The key itself. Raises CommandError, which does not show it."""
    if not _KEY.fullmatch(key):
        raise CommandError(f"{where} holds no key: a key has no blanks and only ASCII characters; copy it again")
    return key


def _url(settings: Settings, *, openai: bool) -> httpx.URL:
    given = os.environ.get("POSTIL_URL", "").strip()
    try:
        url = httpx.URL(given or _own_url(settings, openai=openai))
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > _LAST_PORT:
        name = "POSTIL_URL" if given else "POSTIL_HOST"
        raise CommandError(f"{name} is not a gateway's address; write it as https://gateway.example:8080") from None
    return url


def _shown(url: httpx.URL) -> str:
    """The URL without a password in it."""
    return str(url.copy_with(userinfo=b"")).rstrip("/")


def _is_local(host: str) -> bool:
    """Whether a host is this machine, to which no proxy is needed."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _own_url(settings: Settings, *, openai: bool) -> str:
    """The API of the gateway that these settings are for."""
    scheme = "http" if settings.tls_certificate is None else "https"
    if settings.admin_port is not None and not openai:
        return f"{scheme}://{_reachable(settings.admin_address)}:{settings.admin_port}"
    return f"{scheme}://{_reachable(settings.host)}:{settings.port}"


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust: well-known authorities, the system's, those of the environment and of a file.

    A certificate of one's own is shown where ``POSTIL_CLIENT_CERTIFICATE`` names one with its key. Raises CommandError.
    """
    try:
        context = trusted_authorities(ca_file)
    except ConfigError as error:
        raise CommandError(str(error)) from error
    own = os.environ.get("POSTIL_CLIENT_CERTIFICATE")
    try:
        if own:
            context.load_cert_chain(own, password=lambda: b"")
    except OSError as error:
        raise CommandError(
            f"POSTIL_CLIENT_CERTIFICATE={own} cannot be used; give a file in PEM that you may read"
        ) from error
    return context


def _unreachable(url: str, error: httpx.TransportError) -> str:
    if wrong := distrust(error):
        return f"this command does not trust the certificate of {url}: {wrong}"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy does not let this command reach {url} ({error}); see HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    if isinstance(error, httpx.TimeoutException):
        return f"{url} took too long to answer; see whether the gateway is ready with `postil status`"
    return f"no gateway answers at {url} ({error}); start one with `postil serve`, or set POSTIL_URL"


def _reachable(host: str) -> str:
    """Turn an address to listen on into one to connect to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is the one not to connect to
    return f"[{host}]" if ":" in host else host


def user() -> str:
    """The name of the user who runs this; the number where the system knows no name."""
    try:
        return cleaned(getpass.getuser()).strip()
    except (KeyError, OSError):
        return str(os.getuid())


def actor() -> str:
    """Who runs this, as the event log shows it."""
    return f"{user()}@{socket.gethostname()}"
