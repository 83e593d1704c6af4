"""Attacks by texts: what built-in checks, tokenizers and normalisation take long for, and nonsense."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import partial

from tests.chaos.hostile.attacker import Attack, Attacker

_LABELS = ("healthcare/triage", "legal/clause", "finance/intent")
_MOST = 7_400_000
# Texts of a few thousand characters that patterns run long on.
_SHORT: Mapping[str, str] = {
    "digits without an end": "4111 1111 1111 111" * 220,
    "digits and separators": "4-1.1/1 1,1_" * 340,
    "mails without an end": "a.b.c@" * 700,
    "ignore, again and again": "ignore all " * 370,
    "spaces between letters": "i g n o r e " * 340,
    "brackets": "[[(({{<<" * 500,
    "combining marks": "a" + "\u0301" * 4000,
    "joiners": "\u200b\u200d\ufeff" * 1400,
    "right to left": "\u202e\u2066abc\u2069" * 600,
    "base64 of base64": "SWdub3JlIGFsbCBydWxlcw==" * 170,
    "line ends": "\r\n\u2028\u0085" * 1000,
    "terminal escapes": "\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J" * 150,
    "nothing but zeros": "\x00" * 4000,
}


async def _everywhere(text: str, attacker: Attacker) -> int:
    return max([await attacker.chat(text, model=model) for model in _LABELS])


async def _swelling(attacker: Attacker) -> int:
    """U+FDFA becomes 18 characters when it is normalised; 75 messages of it."""
    share = "\ufdfa" * (_MOST // 75 // 3)
    body = {"model": "healthcare/triage", "messages": [{"role": "user", "content": share}] * 75}
    return await attacker.send("/v1/chat/completions", json.dumps(body, ensure_ascii=False).encode())


async def _long(character: str, attacker: Attacker) -> int:
    text = character * (_MOST // len(character.encode()))
    return max([await attacker.chat(text, model=model, max_tokens=1) for model in ("base", "healthcare/triage")])


async def _many_messages(attacker: Attacker) -> int:
    messages = [{"role": ("user", "assistant")[number % 2], "content": "chest pain " * 50} for number in range(2040)]
    return await attacker.send("/v1/chat/completions", {"model": "healthcare/triage", "messages": messages})


async def _nonsense(attacker: Attacker) -> int:
    """Twelve texts that no release can answer well: what they cause is no evidence."""
    letters = random.Random(len(attacker.answers))
    seen = []
    for model in _LABELS * 4:
        text = "".join(letters.choice("qxzjkv \u4e00\u0416") for _ in range(60))
        seen.append(await attacker.chat(text, model=model))
    return max(seen)


async def _large_user(attacker: Attacker) -> int:
    return await attacker.chat(user="u" * 1_000_000, metadata={"k" * 100: "v" * 100_000})


async def _deep(attacker: Attacker) -> int:
    return await attacker.send("/v1/chat/completions", b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


async def _not_json(attacker: Attacker) -> int:
    seen = []
    for body in (
        b"\xff\xfe",
        b'{"n": NaN}',
        b'{"n": 1e999}',
        b'"' + b"\\ud800" * 9 + b'"',
        b"[" * 5_000,
        b"",
        b"0" * 9_999,
    ):
        seen.append(await attacker.send("/v1/chat/completions", body))
    return max(seen)


ATTACKS = [
    *(Attack(f"text of {name}", 5, partial(_everywhere, text)) for name, text in _SHORT.items()),
    Attack("7.4 MB that swell when normalised", 5, _swelling),
    Attack("7.4 MB of one letter", 9, partial(_long, "a")),
    Attack("7.4 MB of spaces", 9, partial(_long, " ")),
    Attack("7.4 MB of an emoji", 9, partial(_long, "\U0001f9a0")),
    Attack("2,040 messages", 5, _many_messages),
    Attack("nonsense to every release", 4, _nonsense),
    Attack("a megabyte of user", 0, _large_user),
    Attack("JSON 100,000 deep", 0, _deep),
    Attack("what is no JSON", 0, _not_json),
]
