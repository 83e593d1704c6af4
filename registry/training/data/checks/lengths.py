"""How many tokens rows have, with the base's own tokenizer and chat template."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from postil.registry.errors import BaseModelError
from postil.registry.training.data.checks.subject import Subject
from postil.registry.training.data.libraries import require
from postil.registry.training.data.report import NAMED, DataFinding, Spot
from postil.registry.training.data.rows import PreferenceRow, Row, TextRow, Turn, turns_of

Count = Callable[[Row], int]


def token_counter(base: Path) -> Count:
    """Return what counts a row's tokens. Raises TuneExtraMissingError or BaseModelError."""
    require(("transformers",), "counting tokens")
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    except (OSError, ValueError) as error:
        raise BaseModelError(f"{base} has no tokenizer that can be loaded; name another base") from error

    def tokens(turns: tuple[Turn, ...], end: int) -> int:
        if end or not tokenizer.chat_template:
            text = "\n".join(turn.content for turn in turns)
        else:
            said = [{"role": turn.role, "content": turn.content} for turn in turns]
            text = tokenizer.apply_chat_template(said, tokenize=False)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"]) + end

    def count(row: Row) -> int:
        # A text is learned with an end of its own, as the template writes one after answers.
        end = 1 if isinstance(row, TextRow) else 0
        return max(tokens(turns, end) for turns in _conversations(row))

    return count


def own_window(base: Path) -> int | None:
    """The context that a base was made for, from its configuration; None where that does not say."""
    try:
        value = json.loads((base / "config.json").read_bytes()).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return None
    return value if isinstance(value, int) else None


def too_long(data: Subject, counts: list[int], window: int) -> Iterator[DataFinding]:
    """Find rows that do not fit the window: training refuses them, because it cuts none."""
    spots = [Spot(line=row.line) for row, tokens in zip(data.rows, counts, strict=True) if tokens > window]
    if spots:
        yield DataFinding(
            level="error",
            check="length",
            file=data.name,
            text=f"{len(spots)} rows have more tokens than the engine's window of {window} (POSTIL_MAX_MODEL_LEN)",
            remedy="shorten them or delete the lines",
            count=len(spots),
            spots=tuple(spots[:NAMED]),
        )


def _conversations(row: Row) -> Iterator[tuple[Turn, ...]]:
    """Give all that is learned from a row: of a pair, the worse answer too."""
    turns = turns_of(row)
    yield turns
    if isinstance(row, PreferenceRow):
        yield (*turns[:-1], Turn("assistant", row.rejected))
