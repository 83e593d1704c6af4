"""Opens what makes traces, where somebody wants any."""

from __future__ import annotations

from postil.gateway.errors import SettingsError
from postil.gateway.telemetry.trace import Tracer

_OWN = "postil"


def open_tracer(endpoint: str) -> Tracer:
    """Return a tracer that exports to a collector. Raises SettingsError."""
    try:
        from postil.gateway.telemetry.otel import make_tracer
    except ImportError as error:
        if (error.name or _OWN).startswith(_OWN):
            raise
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and OpenTelemetry is not installed; install it with"
            " `pip install 'postil[otel]'`, or unset the variable"
        ) from error
    try:
        return make_tracer(endpoint)
    except ValueError as error:
        raise SettingsError(f"one of the variables OTEL_* has a value that is refused: {error}; correct it") from error
