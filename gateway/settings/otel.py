"""Where traces are sent, as OpenTelemetry's own variables say it; all its other variables are read by its SDK."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from postil.gateway.errors import SettingsError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
# Either turns traces off, whatever else is set.
DISABLED, EXPORTER = "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"
_OURS = "http/protobuf"
_PATH = "/v1/traces"


def traces_endpoint(given: Mapping[str, str]) -> str | None:
    """Return the URL that spans are sent to; None where traces are off. Raises SettingsError."""
    said = {name: given.get(name, "").strip() for name in (TRACES_ENDPOINT, ENDPOINT)}
    name = next((each for each, url in said.items() if url), None)
    off = given.get(DISABLED, "").strip().lower() == "true" or given.get(EXPORTER, "").strip().lower() == "none"
    if name is None or off:
        return None
    _check_protocol(given)
    url = said[name] if name == TRACES_ENDPOINT else said[name].rstrip("/") + _PATH
    if not _is_collector(url):  # The value is not shown: there may be a password in it.
        raise SettingsError(
            f"{name} has to be the http or https URL of an OTLP collector, such as http://127.0.0.1:4318, without user,"
            " query and fragment; what a collector wants to know goes into OTEL_EXPORTER_OTLP_HEADERS"
        )
    return url


def _check_protocol(given: Mapping[str, str]) -> None:
    for name in (TRACES_PROTOCOL, PROTOCOL):
        protocol = given.get(name, "").strip()
        if protocol == _OURS:
            return
        if protocol:
            raise SettingsError(
                f"{name}={protocol!r} is not spoken here; leave it out, and name the port at which the collector speaks"
                f" {_OURS}, which is 4318 unless it was changed"
            )


def _is_collector(url: str) -> bool:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and not (set("@?#") & set(url)) and url.isprintable() and " " not in url
