"""TLS at the gateway's ports, ports of their own for health, metrics and the admin API, and who is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings


class TlsSettings(BaseSettings):
    """TLS at the gateway's ports, ports of their own for health, metrics and the admin API, and who is trusted."""

    tls_certificate: Path | None = Field(
        default=None,
        description="The certificate with its chain (PEM) that the gateway shows; read again when the file changes.",
    )
    tls_key: Path | None = Field(
        default=None, description="The certificate's private key (PEM, without a password, not readable by others)."
    )
    tls_client_ca: Path | None = Field(
        default=None, description="Authorities (PEM) of which every client needs a certificate; unset, none does."
    )
    ca_file: Path | None = Field(
        default=None,
        description="Authorities (PEM) that are trusted beside the system's and those of `SSL_CERT_FILE`: by commands"
        " and webhooks of reviews (those of `REQUESTS_CA_BUNDLE` too), and at an https `POSTIL_ENGINE_URL`.",
    )
    admin_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="A port of its own for the admin API, which is then nowhere else; unset, it is on `POSTIL_PORT`.",
    )
    admin_host: str | None = Field(
        default=None, description="The address that `POSTIL_ADMIN_PORT` listens on; unset, that of `POSTIL_HOST`."
    )
    health_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="A port of its own for `/health`, without TLS, answered by a thread that shares nothing with"
        " requests; `/health` stays on `POSTIL_PORT` too.",
    )

    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="A port on 127.0.0.1 where `/metrics` is answered without a key and without TLS; it stays on"
        " `POSTIL_PORT` for keys of the role `metrics` and admins.",
    )

    metrics_histograms: int = Field(
        default=200,
        ge=0,
        le=10_000,
        description="How many releases have histograms of their own in `/metrics`; the others share one as `other`.",
    )

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) is not (self.tls_key is None):
            raise ValueError("POSTIL_TLS_CERTIFICATE and POSTIL_TLS_KEY belong together; set both")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("POSTIL_TLS_CLIENT_CA needs POSTIL_TLS_CERTIFICATE and POSTIL_TLS_KEY; set them too")
        return self
