"""Makes variants of rows: the same message as other people, or the same in a hurry, would write it. Answers stay."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.errors import DatasetError
from postil.registry.training.data.checks.personal import personal_lines
from postil.registry.training.data.checks.subject import labels_of
from postil.registry.training.data.held_out import is_held_out
from postil.registry.training.data.linear import linear_model
from postil.registry.training.data.paraphrase import Paraphraser
from postil.registry.training.data.reading import DataFile, read_rows
from postil.registry.training.data.report import Frozen
from postil.registry.training.data.rows import VARIED, InstructionRow, Row
from postil.registry.training.data.similar import key, likeness, pieces
from postil.registry.training.data.ways import WAYS
from postil.registry.training.data.writing import check_free, json_lines, text_digest, write_text

PARAPHRASE = "paraphrase"
# A paraphrase that shares more with its original is no other wording.
_TOO_NEAR = 0.8
_SHORTEST, _LONGEST = 0.3, 3.0


@dataclass(frozen=True, slots=True)
class Paraphrasing:
    """Who paraphrases, how many rows at most, and whether a linear model has to give a paraphrase the row's label."""

    by: Paraphraser
    most: int
    same_label: bool = False


class VaryReport(Frozen):
    """How many variants were made in which way, and how many were dropped for what."""

    rows: int
    variants: dict[str, int]
    dropped: dict[str, int]
    trouble: str = ""
    digest: str


def vary(
    path: Path,
    out: Path,
    *,
    ways: Sequence[str] = tuple(WAYS),
    each: int = 1,
    seed: int = 0,
    paraphrasing: Paraphrasing | None = None,
    overwrite: bool = False,
) -> VaryReport:
    """Write the rows of ``path`` to ``out``, each followed by up to ``each`` variants, and paraphrases of some.

    A variant has ``origin: varied``, ``varied_by`` and ``varied_from``, the line of its row. Equal seeds give equal
    files, but for paraphrases. Raises DatasetError, TuneExtraMissingError.
    """
    _check_ways(ways)
    check_free(out, overwrite)
    file = _read(path)
    dropped: Counter[str] = Counter()
    made = _made(file, ways, each, seed, paraphrasing, dropped)
    content = json_lines(values for found in made for values in found)
    write_text(out, content)
    variants = Counter(str(values["varied_by"]) for found in made for values in found[1:])
    return VaryReport(
        rows=len(file.rows),
        variants=dict(sorted(variants.items())),
        dropped=dict(sorted(dropped.items())),
        trouble=paraphrasing.by.trouble if paraphrasing else "",
        digest=text_digest(content),
    )


def _made(
    file: DataFile,
    ways: Sequence[str],
    each: int,
    seed: int,
    paraphrasing: Paraphrasing | None,
    dropped: Counter[str],
) -> Sequence[Sequence[Mapping[str, Any]]]:
    """Return each row with its variants after it; what is dropped is counted."""
    made: dict[int, list[Mapping[str, Any]]] = {row.line: [row.raw] for row in file.rows}
    seen = {row.asked for row in file.rows}
    rows = [row for row in file.rows if row.origin != VARIED and _replaced(row, "") is not None]
    for row in rows:
        for way, text in _variants(row, ways, each, seed, seen):
            made[row.line].append(_row(row, text, way))
    if paraphrasing is not None:
        for row, text in _paraphrases(file, rows, paraphrasing, seed, seen, dropped):
            made[row.line].append(_row(row, text, PARAPHRASE))
    return list(made.values())


def _check_ways(ways: Sequence[str]) -> None:
    if unknown := sorted(set(ways) - WAYS.keys()):
        raise DatasetError(f"{unknown[0]!r} is no way of writing; use some of {', '.join(WAYS)}")


def _read(path: Path) -> DataFile:
    """Read rows that may be varied. Raises DatasetError."""
    file = read_rows(path)
    if any(map(is_held_out, file.rows)):
        raise DatasetError(f"{file.path} has rows that are held out, which are never varied; vary the training rows")
    if file.kind == "text":
        raise DatasetError(f"{file.path} holds plain text, which is learned as it stands; vary messages that are asked")
    return file


def _variants(row: Row, ways: Sequence[str], each: int, seed: int, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Some variants that nobody wrote yet, each with its way; the ways come in an order that the seed decides."""
    chance = random.Random(f"{seed}:{row.line}")
    left = each
    for way in chance.sample(list(ways), len(ways)):
        text = WAYS[way](row.asked, chance)
        if left and text.strip() and text not in seen:
            seen.add(text)
            left -= 1
            yield way, text


def _paraphrases(
    file: DataFile, rows: Sequence[Row], wanted: Paraphrasing, seed: int, seen: set[str], dropped: Counter[str]
) -> Iterator[tuple[Row, str]]:
    """Paraphrases that pass the filters, of rows that the seed chooses; rows with personal data are never sent."""
    personal = set(personal_lines(rows))
    dropped.update({"personal data": len(personal)} if personal else {})
    fit = [row for row in rows if row.line not in personal]
    agrees = _label_check(file) if wanted.same_label else lambda row, text: True
    known = {key(text) for text in seen}
    for row in random.Random(seed).sample(fit, min(wanted.most, len(fit))):
        if wanted.by.is_useless:
            dropped["not asked"] += 1
            continue
        text = wanted.by.paraphrase(row.asked, seed + row.line)
        reason = "no answer" if text is None else _reason(row, text, known, agrees)
        if text is None or reason:
            dropped[reason] += 1
            continue
        known.add(key(text))
        yield row, text


def _reason(row: Row, text: str, known: set[str], agrees: Callable[[Row, str], bool]) -> str:
    """Why a paraphrase is of no use; empty where it is."""
    if not _SHORTEST <= len(text) / len(row.asked) <= _LONGEST:
        return "length"
    if key(text) in known or likeness(pieces(text), pieces(row.asked)) > _TOO_NEAR:
        return "too near"
    return "" if agrees(row, text) else "other label"


def _label_check(file: DataFile) -> Callable[[Row, str], bool]:
    """Return whether a linear model, learned from the file, gives a text the row's label."""
    labels = {row.line: label for row, label in zip(file.rows, labels_of(file), strict=True) if label is not None}
    if len(set(labels.values())) < 2:
        raise DatasetError(f"{file.path} has no labels that paraphrases could be held against; leave the check out")
    texts = [row.asked for row in file.rows if row.line in labels]
    model = linear_model(texts).fit(texts, list(labels.values()))
    return lambda row, text: bool(model.predict([text])[0] == labels.get(row.line))


def _row(row: Row, text: str, way: str) -> Mapping[str, Any]:
    return {**(_replaced(row, text) or {}), "origin": VARIED, "varied_by": way, "varied_from": row.line}


def _replaced(row: Row, text: str) -> dict[str, Any] | None:
    """The row's values with another text asked; None where no user asks anything."""
    raw = dict(row.raw)
    if isinstance(row, InstructionRow):
        return {**raw, "input": text} if row.input.strip() else None
    if isinstance(raw.get("prompt"), str):
        return {**raw, "prompt": text}
    if isinstance(raw.get("input"), dict):
        asked = _last_replaced(raw["input"]["messages"], text)
        return asked and {**raw, "input": {**raw["input"], "messages": asked}}
    name = "messages" if "messages" in raw else "prompt"
    asked = _last_replaced(raw[name], text)
    return asked and {**raw, name: asked}


def _last_replaced(turns: list[dict[str, Any]], text: str) -> Any:
    places = [place for place, turn in enumerate(turns) if turn["role"] == "user"]
    if not places:
        return None
    return [{**turn, "content": text} if place == places[-1] else turn for place, turn in enumerate(turns)]
