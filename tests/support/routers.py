"""Files of routers for tests, with weights made by hand: each model knows some words."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postil.plugins.recognition.router_model import BUCKETS, RouterFile, digest_of, numbers_of
from postil.plugins.recognition.word_features import Concepts

WORDS: Mapping[str | None, Sequence[str]] = {
    "finance": ("card", "refund"),
    "healthcare": ("fever", "headache"),
    "legal/clause": ("contract", "lease"),
    None: ("weather", "banana"),
}


def router_values(words: Mapping[str | None, Sequence[str]] = WORDS, **more: Any) -> dict[str, Any]:
    """The values of a file, without its digest."""
    concepts = Concepts()
    weights = bytearray(BUCKETS * len(words))
    for at, known in enumerate(words.values()):
        for word in known:
            # Not what it makes with the words before, so that their order does not matter.
            for number in numbers_of(word, concepts)[:-4]:
                weights[at * BUCKETS + number] = 100
    return {
        "format": "postil-router",
        "version": 1,
        "models": list(words),
        "threshold": 0.6,
        "bias": [0.0] * len(words),
        "scale": 10.0,
        "weights": base64.b64encode(zlib.compress(bytes(weights))).decode(),
        "data": [],
        "postil": "0",
        **more,
    }


def sealed(values: Mapping[str, Any]) -> str:
    """The text of a file with the digest that belongs to it."""
    known = {**RouterFile.model_construct(**values).model_dump(mode="json", exclude={"digest"}, warnings=False)}
    content = RouterFile.model_construct(**{**known, "digest": ""})
    return json.dumps({**known, "digest": digest_of(content.model_dump_json(exclude={"digest"}, warnings=False))})


def write_router(path: Path, words: Mapping[str | None, Sequence[str]] = WORDS, **more: Any) -> Path:
    """Write a router that knows these words."""
    path.write_text(sealed(router_values(words, **more)), encoding="utf-8")
    return path
