"""Adapters whose files are not what they should be."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from tests.fakes.adapter_bad_configs import AGAIN
from tests.fakes.adapter_draft import CONFIG, WEIGHTS, Draft, bad, read_raw, write_raw

Change = Callable[[Draft], object]
CORRUPT = f"{WEIGHTS} is corrupt ("
WHOLE = "only whole safetensors files are read"
FLAT = "one flat folder of files"
UNREAD = "the engine does not look at it"


def file(name: str, content: bytes) -> Change:
    """A file of these bytes."""
    return lambda draft: draft.last(lambda folder: (folder / name).write_bytes(content))


def weights(act: Callable[[bytes], bytes]) -> Change:
    """Other bytes in the weights file."""
    return lambda draft: draft.last(lambda folder: (folder / WEIGHTS).write_bytes(act((folder / WEIGHTS).read_bytes())))


def header(act: Callable[[bytes], bytes]) -> Change:
    """Another header of the same data, its length stated as it is."""

    def change(folder: Path) -> None:
        found, data = read_raw(folder / WEIGHTS)
        write_raw(folder / WEIGHTS, act(found), data)

    return lambda draft: draft.last(change)


def first_tensor_again(found: bytes) -> bytes:
    begin = found.index(b'"base_model')
    return found[:-1] + b", " + found[begin : found.index(b"}", begin)] + b"}}"


def gone(name: str) -> Change:
    """A file that is not there."""
    return lambda draft: draft.last(lambda folder: (folder / name).unlink())


def linked(folder: Path) -> None:
    elsewhere = folder.with_suffix(".elsewhere")
    (folder / WEIGHTS).rename(elsewhere)
    (folder / WEIGHTS).symlink_to(elsewhere)


BAD_FILES = [
    bad("cut off at the end", weights(lambda data: data[:-100]), CORRUPT, WHOLE, AGAIN),
    bad("more at the end", weights(lambda data: data + b"xx"), CORRUPT, WHOLE, AGAIN),
    bad("empty weights", weights(lambda data: b""), CORRUPT, WHOLE, AGAIN),
    bad("a pointer to the weights", weights(lambda data: b"version https://git-lfs.github.com/spec/v1\n"),
        f"{WEIGHTS} is a Git LFS pointer", "was not fetched", "run `git lfs pull`"),
    bad("header longer than the file", weights(lambda data: struct.pack("<Q", 1 << 40) + data[8:]), CORRUPT, WHOLE,
        AGAIN),
    bad("header that is no JSON", header(lambda found: b"!" + found[1:]), CORRUPT, WHOLE, AGAIN),
    bad("shape that the bytes do not have", header(lambda found: found.replace(b"[4, ", b"[5, ", 1)), CORRUPT, WHOLE,
        AGAIN),
    bad("tensors that share bytes", header(lambda found: found.replace(b'_offsets": [0, ', b'_offsets": [4, ', 1)),
        CORRUPT, WHOLE, AGAIN),
    bad("a tensor named twice", header(first_tensor_again), f"{CORRUPT}'base_model.model.model.layers.0", WHOLE, AGAIN,
        stricter="readers differ in which they take"),
    bad("no weights", gone(WEIGHTS), f"{WEIGHTS} is missing", f"{CONFIG} with {WEIGHTS}", "save_pretrained"),
    bad("no configuration", gone(CONFIG), f"{CONFIG} is missing", f"{CONFIG} with {WEIGHTS}", "save_pretrained"),
    bad("weights as a pickle", lambda draft: draft.last(lambda at: (at / WEIGHTS).rename(at / "adapter_model.bin")),
        "adapter_model.bin is a pickle", f"read from {WEIGHTS} only", "save them there"),
    bad("weights behind a link", lambda draft: draft.last(linked), f"{WEIGHTS} is a symbolic link", FLAT,
        "replace or remove it", stricter="what it leads to may change"),
    bad("tokens added", file("added_tokens.json", b'{"<|new|>": 60000}'), "adds '<|new|>' to the vocabulary as 60000",
        "ends at", "train with the tokens of the base", stricter="the engine cuts them into pieces"),
    bad("tokens added by transformers 5",
        file("tokenizer.json", b'{"added_tokens": [{"id": 60000, "content": "<|a|>"}]}'),
        "tokenizer.json adds '<|a|>' to the vocabulary as 60000", "ends at", "train with the tokens of the base",
        stricter="the engine cuts them into pieces"),
    bad("a tokenizer of another kind", file("tokenizer.json", b"[]"), "tokenizer.json is not what a tokenizer writes",
        "a JSON object with added_tokens", "remove it", stricter=UNREAD),
    bad("tokens of another kind", file("added_tokens.json", b"[]"), "added_tokens.json is not what a tokenizer writes",
        "a JSON object of numbers", "remove it", stricter=UNREAD),
]  # fmt: skip
