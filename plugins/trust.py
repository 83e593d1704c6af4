"""Which authorities an outgoing TLS connection trusts, and what is said where it does not trust a certificate."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import httpx

from postil.plugins.errors import ConfigError

# As `requests` and most programs with it have it; OpenSSL itself goes by SSL_CERT_FILE and SSL_CERT_DIR.
BUNDLE = "REQUESTS_CA_BUNDLE"
# OpenSSL's numbers for a certificate that is good, but another host's.
_OTHER_HOST = frozenset({62, 64})


def trusted_authorities(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts well-known authorities, the system's, and those that a user names.

    These are in ``ca_file``, ``SSL_CERT_FILE``, ``SSL_CERT_DIR`` and ``REQUESTS_CA_BUNDLE``. It takes some 30 ms.
    Raises ConfigError if a file or folder cannot be used.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    _load(context, "POSTIL_CA_FILE", None if ca_file is None else str(ca_file))
    _load(context, BUNDLE, os.environ.get(BUNDLE) or None)
    return context


def distrust(error: BaseException) -> str | None:
    """Return what is wrong with a server's certificate and the remedy, if that is why a connection failed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_message"):  # aiohttp's has none.
            said = cause.verify_message
            if cause.verify_code in _OTHER_HOST:
                return f"{said}; use a name that the certificate is for"
            return f"{said}; name the file of its authority with SSL_CERT_FILE or POSTIL_CA_FILE"
        cause = cause.__cause__ or cause.__context__
    return None


def _load(context: ssl.SSLContext, name: str, path: str | None) -> None:
    if path is None:
        return
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigError(f"{name}={path} cannot be used; give a file in PEM that you may read") from error
