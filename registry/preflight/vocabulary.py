"""Tokens that were added for training: the engine uses only the base's tokenizer, and would split them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from postil.registry.base_model.model import BaseModel
from postil.registry.preflight.untrusted import read_json, refuse, shown

ADDED_TOKENS, TOKENIZER = "added_tokens.json", "tokenizer.json"
# Adapters may not change these modules: the change would grow with the vocabulary.
EMBEDDINGS = frozenset({"embed_tokens", "embed_in", "embed_out", "wte", "wpe", "word_embeddings", "lm_head"})
_MAX_ADDED_TOKENS = 1 << 20
_MAX_TOKENIZER = 64 << 20


class _Token(msgspec.Struct):
    id: Annotated[int, msgspec.Meta(ge=0)]
    content: str


class _Tokenizer(msgspec.Struct):
    """The part of a tokenizer.json that lists added tokens; the rest, of megabytes, is passed over."""

    added_tokens: list[_Token] = []


class _Model(msgspec.Struct):
    vocab: dict[str, int] | list[Any] = {}


class _WholeTokenizer(_Tokenizer):
    model: _Model = msgspec.field(default_factory=_Model)


def check_vocabulary(folder: Path, base: BaseModel) -> None:
    """Refuse an adapter whose tokenizer has tokens that the base's has not. Raises PreflightError."""
    sizes = [shape[0] for module, shape in base.modules.items() if module.rpartition(".")[2] in EMBEDDINGS]
    added = list(_added(folder)) if sizes else []
    known = _known(base.path / TOKENIZER) if added else None
    for file, token, number in added:
        if not isinstance(number, int) or number >= max(sizes):
            lacks = f"that of {base.id} ends at {max(sizes) - 1}"
        elif known is not None and known.get(token) != number:
            lacks = f"{base.id} has no such token" if token not in known else f"{base.id} has it as {known[token]}"
        else:
            continue
        found = f"{file} adds {shown(token)} to the vocabulary as {shown(number)}"
        refuse(found, lacks, "train with the tokens of the base")


def _added(folder: Path) -> Iterator[tuple[str, str, object]]:
    """The added tokens with their numbers, and the file that says so: transformers 5 writes only the second."""
    if (path := folder / ADDED_TOKENS).is_file():
        yield from ((ADDED_TOKENS, token, number) for token, number in _listed(path).items())
    if (path := folder / TOKENIZER).is_file():
        yield from ((TOKENIZER, token.content, token.id) for token in _tokenizer(path).added_tokens)


def _listed(path: Path) -> Mapping[str, object]:
    try:
        tokens = read_json(path.read_bytes()) if path.stat().st_size <= _MAX_ADDED_TOKENS else None
    except ValueError:
        tokens = None
    if not isinstance(tokens, dict):
        refuse(f"{path.name} is not what a tokenizer writes", "it has to be a JSON object of numbers", "remove it")
    return tokens


def _tokenizer(path: Path) -> _Tokenizer:
    if path.stat().st_size > _MAX_TOKENIZER:
        refuse(f"{path.name} has {path.stat().st_size:,} bytes", f"at most {_MAX_TOKENIZER:,} are read", "remove it")
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Tokenizer)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        refuse(f"{path.name} is not what a tokenizer writes", "it has to be a JSON object with added_tokens",
               "remove it")  # fmt: skip


def _known(path: Path) -> Mapping[str, int] | None:
    """The numbers of the base's tokens; None where it keeps them in another file, or in a form not known here."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_WholeTokenizer)
    except (OSError, msgspec.MsgspecError):
        return None
    if not isinstance(found.model.vocab, dict):
        return None
    return found.model.vocab | {token.content: token.id for token in found.added_tokens}
