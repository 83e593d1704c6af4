"""From a file to records: encodings, JSON lines, CSV and Parquet, told apart by what is in the file."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from postil.registry.errors import DatasetError
from postil.registry.training.data.libraries import PARQUET, require
from postil.registry.training.data.problems import RowError

FileFormat = Literal["jsonl", "csv", "parquet"]
Record = tuple[int, Mapping[str, Any] | RowError]
_PARQUET = b"PAR1"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = ",;\t"
# Columns of a CSV file that hold JSON, and those that may hold a conversation as JSON.
_JSON_COLUMNS = ("messages", "history", "preferred_output", "non_preferred_output")
_PROMPT_COLUMNS = ("prompt", "completion", "chosen", "rejected")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_OBJECT = 'write one JSON object per line, such as {"instruction": "...", "input": "...", "output": "..."}'


@dataclass(frozen=True, slots=True)
class Decoded:
    """The records of a file, its format, and the digest of its text (of the bytes, for Parquet)."""

    records: list[Record]
    format: FileFormat
    digest: str


def decode(path: Path, known: Iterable[str]) -> Decoded:
    """Read ``path``; a CSV file is known by one of the ``known`` names in its first line. Raises DatasetError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check the path") from error
    if content.startswith(_PARQUET):
        return Decoded([*_parquet(path)], "parquet", _digest(content))
    text = _text(path, content)
    if (delimiter := _delimiter(text, set(known))) is not None:
        return Decoded([*_csv(text, delimiter)], "csv", _digest(text.encode()))
    return Decoded([*_json_lines(text)], "jsonl", _digest(text.encode()))


def parse_object(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object in ``text``, or None."""
    value = _json(text)
    return value if isinstance(value, dict) else None


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _text(path: Path, content: bytes) -> str:
    """The text, with ends of lines as Python has them; UTF-16 is known by its mark."""
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text, nor UTF-16 with its mark; save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _json_lines(text: str) -> Iterator[Record]:
    if text.lstrip().startswith("[") and _json(text.lstrip().partition("\n")[0]) is None:
        remedy = "write each of its objects on a line of its own (jq -c '.[]' does)"
        yield 1, RowError("this is one JSON array and not an object per line", remedy)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            # A mark within: files that have one were put together.
            values = parse_object(line.removeprefix("\ufeff"))
            yield number, RowError("this is not a JSON object", _OBJECT) if values is None else _without_none(values)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _without_none(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _delimiter(text: str, known: set[str]) -> str | None:
    """What separates the columns of a CSV file; None for another file."""
    first = text.lstrip().partition("\n")[0]
    if first.startswith(("{", "[")):
        return None
    for delimiter in sorted(_DELIMITERS, key=first.count, reverse=True):
        if known & {name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])}:
            return delimiter
    return None


def _csv(text: str, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names: list[str] = []
    line = 1
    try:
        for cells in reader:
            if cells and not names:
                names = [name.strip() for name in cells]
            elif cells:
                yield line, _csv_row(names, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, RowError(f"this is not CSV ({error})", "write the file with a CSV writer, or as JSON lines")


def _csv_row(names: list[str], cells: list[str]) -> Mapping[str, Any] | RowError:
    if len(cells) != len(names):
        remedy = "quote cells that hold the separator or an end of line"
        return RowError(f"the row has {len(cells)} cells and the first line {len(names)}", remedy)
    values = dict(zip(names, cells, strict=True))
    return _without_none({name: _cell(name, text, values) for name, text in values.items()})


def _cell(name: str, text: str, values: Mapping[str, str]) -> Any:
    is_json = name in _JSON_COLUMNS or (name == "input" and "preferred_output" in values)
    if is_json or (name in _PROMPT_COLUMNS and text.lstrip().startswith("[{")):
        return _json(text) if text.strip() else None
    if name == "label" and "completion" in values:
        return _TRUTHS.get(text.strip().lower(), text)
    return text


def _parquet(path: Path) -> Iterator[Record]:
    require(PARQUET, "reading Parquet")
    import pyarrow
    from pyarrow import parquet

    try:
        rows = [row for batch in parquet.ParquetFile(path).iter_batches() for row in batch.to_pylist()]
    except (pyarrow.ArrowException, OSError) as error:
        raise DatasetError(f"{path} is not a Parquet file that can be read; write it again") from error
    yield from ((number, _without_none(row)) for number, row in enumerate(rows, start=1))
