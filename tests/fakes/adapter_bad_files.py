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
    bad("a pointer to the weights", weights(lambda data: b"version https://git-lfs.github.com/spec/v1\n"), CORRUPT,
        WHOLE, AGAIN),
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
        "adapter_model.bin is a pickle", f"read from {WEIGHTS} only", "remove it"),
    bad("a pickle beside", file("training_args.bin", b"\x80\x04N."), "training_args.bin is a pickle", "read from",
        "remove it", stricter=UNREAD),
    bad("a program beside", file("modeling.py", b"print()"), "modeling.py does not belong", "only .jinja, .json",
        "remove it", stricter=UNREAD),
    bad("other weights beside", file("model.safetensors", b""), "model.safetensors is not adapter_model.safetensors",
        "the one weights file", "rename or remove it", stricter=UNREAD),
    bad("weights behind a link", lambda draft: draft.last(linked), f"{WEIGHTS} is a symbolic link", FLAT,
        "replace or remove it", stricter="what it leads to may change"),
    bad("a link to nowhere", lambda draft: draft.last(lambda at: (at / "README.md").symlink_to(at / "nowhere")),
        "README.md is a symbolic link", FLAT, "replace or remove it", stricter=UNREAD),
    bad("a folder within", lambda draft: draft.last(lambda at: (at / "checkpoint-9.json").mkdir()),
        "checkpoint-9.json is not a file", FLAT, "replace or remove it", stricter=UNREAD),
    bad("tokens added", file("added_tokens.json", b'{"<|new|>": 60000}'), "adds '<|new|>' to the vocabulary as 60000",
        "ends at", "train with the tokens of the base", stricter="the engine cuts them into pieces"),
    bad("tokens of another kind", file("added_tokens.json", b"[]"), "added_tokens.json is not what a tokenizer writes",
        "a JSON object of numbers", "remove it", stricter=UNREAD),
]  # fmt: skip
