"""Reads what vLLM tells of itself: its models, its version, its counters."""

from __future__ import annotations

import re

import msgspec

from postil.gateway.engine.decode import decode

_PUBLIC_VERSION = re.compile(r"[0-9][0-9A-Za-z.]{0,31}")
_TOKENS = re.compile(rb"^vllm:(?:generation|prompt)_tokens_total\b\S* (\S+)$", re.MULTILINE)


class _Model(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


class _Version(msgspec.Struct):
    version: str


_models = msgspec.json.Decoder(_Models)
_version = msgspec.json.Decoder(_Version)


def models_of(body: bytes) -> tuple[set[str], int | None]:
    """The names of its models, and its context in tokens if it says that. Raises EngineUnavailableError."""
    models = decode(body, _models).data
    return {model.id for model in models}, next((one.max_model_len for one in models if one.max_model_len), None)


def version_of(body: bytes) -> str | None:
    """Its version, without what tells how it was built. Raises EngineUnavailableError."""
    found = _PUBLIC_VERSION.match(decode(body, _version).version)
    return found[0] if found else None


def tokens_of(body: bytes) -> bytes | None:
    """Its counters of tokens, to compare with later ones; None if it has none."""
    return b" ".join(_TOKENS.findall(body)) or None
