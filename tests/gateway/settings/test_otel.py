"""Where traces go: OpenTelemetry's own variables, each in the way that its specification says."""

from __future__ import annotations

import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.settings.otel import traces_endpoint

BASE, OWN = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({}, None),
        ({BASE: " "}, None),
        ({BASE: "http://otel:4318"}, "http://otel:4318/v1/traces"),
        ({BASE: "https://otel/prefix/"}, "https://otel/prefix/v1/traces"),
        ({BASE: "http://otel:4318", OWN: "http://other:1/in"}, "http://other:1/in"),
        ({BASE: "http://[::1]:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://[::1]:4318/v1/traces"),
        (
            {
                BASE: "http://otel:4318",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            "http://otel:4318/v1/traces",
        ),
        ({BASE: "http://otel:4318", "OTEL_SDK_DISABLED": "True"}, None),
        ({BASE: "http://otel:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None),
    ],
)
def test_the_endpoint_is_the_one_that_the_specification_says(given: dict[str, str], endpoint: str | None) -> None:
    assert traces_endpoint(given) == endpoint


@pytest.mark.parametrize(
    "url",
    [
        "otel:4318",
        "grpc://otel:4317",
        "http://",
        "http://otel:port",
        "http://otel:0",
        "http://me:secret@otel",
        "http://otel?key=secret",
        "http://otel#secret",
        "http://o tel",
        "http://ot\nel",
        "http://[otel",
    ],
)
@pytest.mark.parametrize("name", [BASE, OWN])
def test_what_is_no_collectors_url_is_refused_in_a_sentence_that_does_not_show_it(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} has to be the http or https URL of an OTLP collector, such as"):
        traces_endpoint({name: url})
    with pytest.raises(SettingsError) as caught:
        traces_endpoint({name: url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_a_protocol_that_is_not_spoken_is_refused_and_the_port_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}='grpc' is not spoken here; .*4318"):
        traces_endpoint({BASE: "http://otel:4317", name: "grpc"})
