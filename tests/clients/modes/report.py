"""Runs the modes of one client, and prints a line of JSON for each; what it raises is the client's own error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

URL = os.environ["POSTIL_URL"]
OPENAI_URL = f"{URL}/v1"
KEY = os.environ["POSTIL_KEY"]
LABELS = "healthcare/triage"
FREE = "base"
TEXT = "Since yesterday my throat hurts and I have a fever."
CATEGORY = "symptoms"


def run(modes: dict[str, Callable[[], object]]) -> None:
    """Try every mode; a mode returns what the client understood, and fails by raising."""
    for mode, ask in modes.items():
        try:
            print(json.dumps({"mode": mode, "ok": True, "said": str(ask())[:200]}), flush=True)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            print(json.dumps({"mode": mode, "ok": False, "said": " ".join(text.split())[:400]}), flush=True)


def categorised(found: object) -> object:
    """What was understood, if it is the category of ``TEXT``. Raises AssertionError."""
    value = found if isinstance(found, str) else getattr(found, "category", None)
    if isinstance(found, dict):
        value = found.get("category")
    assert value == CATEGORY, f"understood {found!r}"
    return found


def worded(text: object) -> object:
    """A text that is not empty. Raises AssertionError."""
    assert isinstance(text, str), f"understood {text!r}"
    assert text.strip(), "understood nothing"
    return text
