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
from deploy.docs.names_page import names_page
from deploy.docs.policy_page import policy_page
from deploy.docs.settings_page import settings_page

REFERENCE = Path(__file__).parent / "reference"


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
        "names.md": names_page(app, described),
    }


def main() -> None:
    """Write the pages, and say which of them are new."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
