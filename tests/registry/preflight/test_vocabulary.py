"""Tokens that an adapter's tokenizer has and the base's has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.base_model.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.preflight.preflight import preflight
from tests.fakes.adapter_draft import Draft, write_llama


@pytest.fixture
def llama(tmp_path: Path) -> BaseModel:
    """A base of 40 tokens in its embedding, of which its tokenizer uses 38."""
    base = write_llama(tmp_path / "llama")
    model = {"type": "BPE", "vocab": {f"t{number}": number for number in range(1, 38)}, "merges": []}
    (base.path / "tokenizer.json").write_bytes(tokenizer((0, "<|end|>"), model=model))
    return base


@pytest.fixture
def folder(tmp_path: Path, llama: BaseModel) -> Path:
    """A good adapter."""
    return Draft(llama).write(tmp_path / "adapter")


def refusal(folder: Path, base: BaseModel) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(PreflightError) as caught:
        preflight(folder, base, 16)
    return str(caught.value)


def tokenizer(*added: tuple[int, str], **more: Any) -> bytes:
    """A tokenizer.json as transformers 5 writes it, with the added tokens nowhere else."""
    tokens = [{"id": number, "content": content, "special": True, "lstrip": False} for number, content in added]
    return json.dumps({"version": "1.0", "added_tokens": tokens, **more}).encode()


@pytest.mark.parametrize(
    "tokens", [b"{", b"7", b'{"<a>": "x"}', b'{"<a>": 40}', b'{"<a>": 1, "<a>": 2}', b"[" * 99_999, b" " * (2 << 20)]
)
def test_tokens_that_the_base_does_not_have_are_refused(folder: Path, llama: BaseModel, tokens: bytes) -> None:
    (folder / "added_tokens.json").write_bytes(tokens)
    assert refusal(folder, llama).startswith(
        ("added_tokens.json adds '<a>' to the", "added_tokens.json is not what a tokenizer writes")
    )


@pytest.mark.parametrize(
    ("added", "lacks"),
    [
        ((40, "<a>"), "that of tiny/llama ends at 39"),
        ((38, "<pad>"), "tiny/llama has no such token"),  # There is room for it, and nothing that means it.
        ((3, "t4"), "tiny/llama has it as 4"),
    ],
)
def test_tokens_that_transformers_5_wrote_into_the_tokenizer_alone_are_refused(
    folder: Path, llama: BaseModel, added: tuple[int, str], lacks: str
) -> None:
    (folder / "tokenizer.json").write_bytes(tokenizer((0, "<|end|>"), added))
    number, content = added
    assert refusal(folder, llama) == (
        f"tokenizer.json adds {content!r} to the vocabulary as {number}, and {lacks}; train with the tokens of the base"
    )
    (folder / "tokenizer.json").unlink()
    (folder / "added_tokens.json").write_text(json.dumps({content: number}))
    assert lacks in refusal(folder, llama)


def test_the_tokens_of_the_base_are_taken(folder: Path, llama: BaseModel) -> None:
    (folder / "tokenizer.json").write_bytes(tokenizer((0, "<|end|>"), (7, "t7")))
    (folder / "added_tokens.json").write_text('{"<|end|>": 0}')
    assert preflight(folder, llama, 16).rank == 4


@pytest.mark.parametrize("whole", [b"", b"[]", b'{"model": {"vocab": [["a", -1.5]]}}', b'{"added_tokens": 7}'])
def test_where_the_tokens_of_the_base_are_not_known_its_size_decides(
    folder: Path, llama: BaseModel, whole: bytes
) -> None:
    (llama.path / "tokenizer.json").write_bytes(whole)
    (folder / "tokenizer.json").write_bytes(tokenizer((39, "<a>")))
    assert preflight(folder, llama, 16).rank == 4
    (folder / "tokenizer.json").write_bytes(tokenizer((40, "<a>")))
    assert "ends at 39" in refusal(folder, llama)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"added_tokens": [{"id": -1, "content": "a"}]}', b"\xff", b"[" * 9999]
)
def test_a_tokenizer_that_is_none_is_refused(folder: Path, llama: BaseModel, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    assert refusal(folder, llama).startswith("tokenizer.json is not what a tokenizer writes, ")


def test_a_tokenizer_beyond_all_sizes_is_not_read(folder: Path, llama: BaseModel) -> None:
    with (folder / "tokenizer.json").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert refusal(folder, llama).startswith("tokenizer.json has 67,108,865 bytes, and at most 67,108,864 are read; ")


def test_a_base_whose_embedding_has_another_name_is_not_compared(folder: Path, llama: BaseModel) -> None:
    modules = {name: shape for name, shape in llama.modules.items() if "embed" not in name}
    (folder / "tokenizer.json").write_bytes(tokenizer((4_000, "<a>")))
    assert preflight(folder, BaseModel(llama.id, llama.path, llama.revision, modules), 16).rank == 4
