"""Writes the references under ``deploy/docs/reference`` from the code: ``make docs``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.docs.cli_page import cli_page
from deploy.docs.errors_page import errors_page
from deploy.docs.fields_page import fields_page
from deploy.docs.formats_page import formats_page
from deploy.docs.hooks_page import hooks_page
from deploy.docs.http_page import application, document, http_page
from deploy.docs.metrics_page import metrics_page
from deploy.docs.names_page import names_page
from deploy.docs.policy_page import policy_page
from deploy.docs.settings_page import settings_page
from deploy.observability.dashboard import dashboard
from deploy.observability.rules import rules

REFERENCE = Path(__file__).parent / "reference"
OBSERVABILITY = Path(__file__).parents[1] / "observability"


def pages() -> Mapping[str, str]:
    """Every generated page by the name of its file."""
    app = application()
    described = document(app)
    return {
        "settings.md": settings_page(),
        "request_fields.md": fields_page(),
        "api_formats.md": formats_page(),
        "errors.md": errors_page(),
        "cli.md": cli_page(),
        "http-api.md": http_page(app, described),
        "hooks.md": hooks_page(),
        "policy.md": policy_page(),
        "metrics.md": metrics_page(),
        "names.md": names_page(app, described),
    }


def observability() -> Mapping[str, str]:
    """The files for Prometheus and Grafana by their names."""
    return {"rules.yaml": rules(), "dashboard.json": dashboard()}


def main() -> None:
    """Write the files, and say which of them are new."""
    REFERENCE.mkdir(exist_ok=True)
    files = {REFERENCE / name: text for name, text in pages().items()}
    files |= {OBSERVABILITY / name: text for name, text in observability().items()}
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
