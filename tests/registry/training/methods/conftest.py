"""A tokenizer of single letters, and files of rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]


class Letters:
    """One token a letter, with the template of the tiny base; its end of turn is a dot in a circle."""

    eos_token_id = ord("⊙")

    def __init__(self, *, forgets: bool = False) -> None:
        self._forgets = forgets

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    def apply_chat_template(self, turns: Sequence[Mapping[str, str]], **_: Any) -> str:
        said = [turn for turn in turns if not (self._forgets and turn["role"] == "assistant")]
        return "".join(f"<{turn['role']}>{turn['content']}⊙" for turn in said) + "<assistant>"


@pytest.fixture
def letters() -> Any:
    return Letters()


@pytest.fixture
def forgetful() -> Any:
    """A tokenizer whose template leaves out earlier answers."""
    return Letters(forgets=True)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows to a file of JSON lines."""

    def written(name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return written


@pytest.fixture(autouse=True)
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compute in one thread: several that wait for each other make small models slow on a busy machine."""
    if request.node.get_closest_marker("tune") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
