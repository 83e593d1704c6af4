"""Writes rows as JSON lines that every reader takes, to a file that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from postil.registry.errors import DatasetError
from postil.registry.fsutil import write_private

# Ends of lines to some readers, and halves of pairs.
_NO_TEXT = re.compile("[\x85\u2028\u2029\ud800-\udfff]")


def json_line(values: Mapping[str, Any]) -> str:
    """A row as JSON that any reader of lines takes as one line, and any file as text."""
    text = json.dumps(values, ensure_ascii=False, default=str)
    return _NO_TEXT.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON lines."""
    return "".join(json_line(row) + "\n" for row in rows)


def text_digest(text: str) -> str:
    """The digest that reading the text from a file gives."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to write where something is already, unless a file may be overwritten. Raises DatasetError."""
    if os.path.lexists(path) and not (overwrite and path.is_file()):
        raise DatasetError(f"{path} exists; name another place or pass --overwrite")


def write_text(path: Path, text: str) -> None:
    """Write a file for this user alone, in a folder that is made where it is missing. Raises DatasetError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, text)
    except OSError as error:
        raise DatasetError(f"{path} cannot be written ({error.strerror}); name another place") from error
