"""The chat template beside an adapter: only the base's is used, so that another one is worth a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

TEMPLATE, TOKENIZER_CONFIG = "chat_template.jinja", "tokenizer_config.json"
_MAX_BYTES = 4 << 20


class _Config(msgspec.Struct):
    # A text, or a list of named ones.
    chat_template: Any = None


class _Named(msgspec.Struct):
    name: str
    template: str


def template_warnings(folder: Path, base: Path) -> list[str]:
    """Say that an adapter came with another chat template than its base has; nothing where either has none."""
    own, used = chat_template(folder), chat_template(base)
    if own is None or used is None or own == used:
        return []
    return [
        "the adapter comes with another chat template than the base, whose own is used: if it was trained with it,"
        " the model sees other prompts than in training; train it with the base's template"
    ]


def chat_template(folder: Path) -> str | None:
    """Return a folder's chat template without blanks at its ends, wherever transformers may have written it."""
    try:
        text = _small(folder / TEMPLATE)
        if text is not None:
            return text.decode().strip()
        config = _small(folder / TOKENIZER_CONFIG)
        found = msgspec.json.decode(config, type=_Config).chat_template if config is not None else None
        if isinstance(found, list):
            named = msgspec.convert(found, list[_Named])
            found = next((one.template for one in named if one.name == "default"), None)
    except (OSError, ValueError, RecursionError):
        return None
    return found.strip() if isinstance(found, str) else None


def _small(path: Path) -> bytes | None:
    """A file's bytes; None where there is none, or one too large to be it."""
    return path.read_bytes() if path.is_file() and path.stat().st_size <= _MAX_BYTES else None
