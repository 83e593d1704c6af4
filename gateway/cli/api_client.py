"""The commands' HTTP client: finds the gateway, sends the key, and turns errors into sentences."""

from __future__ import annotations

import getpass
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from postil.gateway.settings import Settings, read_settings

_TIMEOUT_SECONDS = 300.0


# The largest page that the API returns.
_PAGE = 1000


class CommandError(Exception):
    """A command failed; the text states the cause and the remedy."""


@contextmanager
def connected() -> Iterator[httpx.Client]:
    """Return a client for the gateway at POSTIL_URL, or at POSTIL_HOST and POSTIL_PORT. Raises CommandError."""
    settings = read_settings()
    url = os.environ.get("POSTIL_URL") or _own_url(settings)
    headers = {"Authorization": f"Bearer {_key(settings)}", "x-postil-actor": _actor()}
    trust = trusted(settings.ca_file) if url.startswith("https:") else True
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False, verify=trust) as client:
        try:
            yield client
        except httpx.TransportError as error:
            raise CommandError(_unreachable(url, error)) from error


def call(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """Call the admin API once and return its JSON. Raises CommandError with the gateway's own message."""
    response = client.request(method, path, **arguments)
    if response.is_success:
        return response.json() if response.content else None
    raise CommandError(_refusal(response))


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
        found += filter(keep, page["data"])
        after = page["next"]
        if after is None or (limit and len(found) >= limit):
            return Listed(found, after)


@contextmanager
def streamed(client: httpx.Client, path: str) -> Iterator[httpx.Response]:
    """Stream a response. Raises CommandError with the gateway's own message."""
    with client.stream("GET", path) as response:
        if not response.is_success:
            response.read()
            raise CommandError(_refusal(response))
        yield response


def _refusal(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code}, which is not a postil gateway's answer"


def _key(settings: Settings) -> str:
    key = os.environ.get("POSTIL_KEY") or os.environ.get("POSTIL_ADMIN_KEY")
    if key:
        return key
    try:
        return settings.admin_key_file.read_text().strip()
    except OSError as error:
        raise CommandError(
            f"there is no admin key at {settings.admin_key_file}; run this where the gateway runs, with the same"
            " POSTIL_HOME, or set POSTIL_KEY or POSTIL_ADMIN_KEY"
        ) from error


def _own_url(settings: Settings) -> str:
    """The admin API of the gateway that these settings are for."""
    scheme = "http" if settings.tls_certificate is None else "https"
    if settings.admin_port is not None:
        return f"{scheme}://{_reachable(settings.admin_address)}:{settings.admin_port}"
    return f"{scheme}://{_reachable(settings.host)}:{settings.port}"


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust: well-known authorities, the system's, those of ``SSL_CERT_FILE`` and of a file.

    A certificate of one's own is shown where ``POSTIL_CLIENT_CERTIFICATE`` names one with its key. Raises CommandError.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    own = os.environ.get("POSTIL_CLIENT_CERTIFICATE")
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        if own:
            context.load_cert_chain(own, password=lambda: b"")
    except OSError as error:
        name, path = ("POSTIL_CLIENT_CERTIFICATE", own) if own else ("POSTIL_CA_FILE", ca_file)
        raise CommandError(f"{name}={path} cannot be used; give a file in PEM that you may read") from error
    return context


def _unreachable(url: str, error: httpx.TransportError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"this command does not trust the certificate of {url} ({cause.verify_message}); set POSTIL_CA_FILE to"
                " the file of its authority"
            )
        cause = cause.__cause__ or cause.__context__
    return f"no gateway answers at {url} ({error}); start one with `postil serve`, or set POSTIL_URL"


def _reachable(host: str) -> str:
    """Turn an address to listen on into one to connect to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is the one not to connect to
    return f"[{host}]" if ":" in host else host


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
