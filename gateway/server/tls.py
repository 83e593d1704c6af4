"""TLS at the gateway: certificate and key from files, read again when they change, without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.gateway.errors import SettingsError
from postil.gateway.settings import Settings

log = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
# A group may read it, as where a secret is mounted for one; others may not, and only its owner may write it.
_FORBIDDEN = stat.S_IWGRP | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a gateway's certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> TlsFiles | None:
        """Return the files that the settings name, or None where TLS is off."""
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        return cls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)

    def load(self) -> ssl.SSLContext:
        """Return a context with what the files hold now. Raises SettingsError."""
        self._check_key()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Asked for a password, it would wait at the terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except OSError as error:
            raise SettingsError(
                f"POSTIL_TLS_CERTIFICATE and POSTIL_TLS_KEY cannot be used ({_why(error)}); give a certificate and its"
                " own private key, in PEM and without a password"
            ) from error
        if self.client_ca is not None:
            self._require_clients(context, self.client_ca)
        return context

    def state(self) -> tuple[Any, ...]:
        """What changes when one of the files does."""
        return tuple(_state(path) for path in (self.certificate, self.key, self.client_ca) if path is not None)

    def _check_key(self) -> None:
        try:
            mode = self.key.stat().st_mode
        except OSError as error:
            raise SettingsError(
                f"POSTIL_TLS_KEY={self.key} cannot be read ({_why(error)}); name the key's file"
            ) from error
        if mode & _FORBIDDEN:
            raise SettingsError(
                f"POSTIL_TLS_KEY={self.key} can be read by others or written by its group; `chmod 600` it, and"
                " renew the key if somebody may have read it"
            )

    def _require_clients(self, context: ssl.SSLContext, authorities: Path) -> None:
        try:
            context.load_verify_locations(authorities)
        except OSError as error:
            raise SettingsError(
                f"POSTIL_TLS_CLIENT_CA={authorities} cannot be used ({_why(error)}); give certificates of authorities"
                " in PEM"
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED


class ReloadingContext:
    """What the files held when they were read last: ``current`` is for new connections."""

    def __init__(self, files: TlsFiles, current: ssl.SSLContext, seen: tuple[Any, ...]) -> None:
        self._files = files
        self._seen = seen
        self.current = current

    @classmethod
    def of(cls, files: TlsFiles) -> ReloadingContext:
        """Read the files. Raises SettingsError."""
        seen = files.state()
        return cls(files, files.load(), seen)

    def reload(self) -> None:
        """Read the files again; where they cannot be used, the last good ones stay in force."""
        self._seen = self._files.state()
        try:
            self.current = self._files.load()
        except SettingsError as error:
            log.error("the TLS files have changed and are not taken, the last good ones stay in force: %s", error)
        else:
            log.info("the TLS files were read again; new connections get the new certificate")

    async def watch(self) -> None:
        """Read the files again each time they change."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._files.state() != self._seen:
                self.reload()


def _state(path: Path) -> tuple[int, int, int] | None:
    """What tells one content of a file from another; a link is followed, as mounted secrets change by their links."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").lower().replace("_", " ")
    return error.strerror or type(error).__name__
