"""What stands behind another spelling: base64, hexadecimal, shifted, reversed, spaced or numbered letters.

Each reading takes time in proportion to the text, and is looked at once: a text that is encoded twice stays encoded.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import urllib.parse
from collections.abc import Iterator
from itertools import islice

import re2

# So many blobs of a text are decoded, and so much of a text is read letter by letter.
_MOST_BLOBS, _MOST = 100, 50_000
_BASE64 = re2.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE32 = re2.compile(r"\b[A-Z2-7]{24,}={0,6}")
_HEX = re2.compile(r"(?:(?:\\x|0x|%)?[0-9a-fA-F]{2}[\s,:]{0,2}){8,}")
_BITS = re2.compile(r"(?:[01]{7,8}[\s,]{0,2}){6,}")
_CODES = re2.compile(r"(?:\b\d{2,3}[\s,;]{1,2}){7,}\d{2,3}\b")
_MORSE = re2.compile("[.\\-\u00b7\u2022\u2013\u2212/| ]{24,}")
_ESCAPES = re.compile(r"\\u\{?([0-9a-fA-F]{4,5})\}?|\\x([0-9a-fA-F]{2})|U\+([0-9A-F]{4,5})\s?")
_SPACED = re2.compile(r"(?:[\pL\pN@$!][ .\-_*|+~/,]){3,}[\pL\pN@$!]")
_LEET_WORD = re2.compile(r"(?i)[a-z]+[0-9@$!|]+[a-z]|[0-9@$]+[a-z]+[0-9@$]*[a-z]")
_LEET = (str.maketrans("01345789@$!|", "oieastbgasil"), str.maketrans("01345789@$!|", "oleastbgasii"))
_NO_LETTER = re.compile(r"[^a-z]+")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_SHIFTS = tuple(str.maketrans(_ALPHABET, _ALPHABET[by:] + _ALPHABET[:by]) for by in range(1, 26))
_ATBASH = str.maketrans(_ALPHABET, _ALPHABET[::-1])
# What no other text holds once its spaces are gone.
_KEYS = re2.compile(
    r"(?:ignore|disregard|forget|bypass|override)(?:all|any|every|the|your|these|those|previous|prior|everything|above|my)"
    r"|(?:previous|prior|your|above|hidden|secret|system|initial)(?:instruction|prompt|rules|guideline|directive|message)"
    r"|systemprompt|reveal(?:your|the)|donotfollow|jailbreak|withoutrestrictions|doanythingnow|developermode"
)
_PIG = re2.compile(
    r"\b(?:ignore|instructions?|all|override|everything)w?ay\b|\b(?:omptpr|ystems|ulesr|eviouspr|orgetf|evealr|isregardd)ay\b"
)
_SMALL = str.maketrans("ᴀʙᴄᴅᴇғꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdeffghijklmnopqrstuvwyz")
_TURNED = str.maketrans("ɐqɔpǝɟƃɓɥıᴉɾʞןꞁɯuodbɹsʇnʌʍxʎz", "abcdefgghiijkllmnopqrstuvwxyz")
_SMALL_LETTER = re.compile("[ᴀʙᴄᴅᴇғꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ]")
_TURNED_LETTER = re.compile("[ɐɔǝɟƃɓɥᴉɾʞןꞁɯɹʇʌʍʎ]")
_MORSE_LETTERS = dict(
    zip(
        [
            ".-",
            "-...",
            "-.-.",
            "-..",
            ".",
            "..-.",
            "--.",
            "....",
            "..",
            ".---",
            "-.-",
            ".-..",
            "--",
            "-.",
            "---",
            ".--.",
            "--.-",
            ".-.",
            "...",
            "-",
            "..-",
            "...-",
            ".--",
            "-..-",
            "-.--",
            "--..",
        ],
        _ALPHABET,
        strict=True,
    )
)


def decoded(text: str) -> Iterator[str]:
    """The texts that a text holds in another spelling."""
    for pattern, decode in ((_BASE64, _base64), (_BASE32, _base32), (_HEX, _hex), (_BITS, _bits), (_CODES, _codes)):
        for found in islice(pattern.finditer(text), _MOST_BLOBS):
            inside = _readable(decode(found.group()))
            if inside:
                yield inside
    shown = _unescaped(text)
    if shown is not None:
        yield shown
    for found in islice(_MORSE.finditer(text), _MOST_BLOBS):
        yield _morse(found.group())


def _unescaped(text: str) -> str | None:
    """The text with its escapes of all kinds read, as one reading: a reading more for each kind is time for each."""
    shown = None
    if text.count("%") > 3:
        shown = urllib.parse.unquote(text, errors="replace")
    if _ESCAPES.search(text):
        told = _ESCAPES.sub(lambda one: chr(int(one[1] or one[2] or one[3], 16)), shown or text)
        shown = told.encode(errors="replace").decode()
    if "&#" in text:
        shown = html.unescape(shown or text)
    return shown


def respelt(text: str) -> Iterator[str]:
    """The text with its letters put back, where it is spelt in digits, single or turned letters."""
    if _SPACED.search(text):
        yield _SPACED.sub(lambda found: re.sub(r"[ .\-_*|+~/,]", "", found.group()), text)
    if sum(1 for _ in islice(_LEET_WORD.finditer(text), 2)) > 1:
        yield from (text.translate(table) for table in _LEET)
    if len(_SMALL_LETTER.findall(text)) > 3:
        yield text.translate(_SMALL)
    if len(_TURNED_LETTER.findall(text)) > 3:
        yield text.translate(_TURNED)[::-1]


def is_scrambled(text: str) -> bool:
    """Whether small ASCII letters, shifted or turned round, say what only an attack says."""
    letters = _NO_LETTER.sub("", text[:_MOST])
    if len(letters) < 12:
        return False
    if _PIG.search(text[:_MOST]) and len(_PIG.findall(text[:_MOST])) > 1:
        return True
    turned = [letters[::-1], letters.translate(_ATBASH), *(letters.translate(shift) for shift in _SHIFTS)]
    turned.append(_NO_LETTER.sub("", "".join(word[::-1] for word in text[:_MOST].split())))
    turned += ["".join(_NO_LETTER.sub("", found.group()) for found in _SPACED.finditer(text[:_MOST]))]
    return any(_KEYS.search(one) is not None for one in turned)


def _readable(raw: bytes | None) -> str | None:
    """The text that bytes are; None for digests and keys, which are no text."""
    if raw is None or len(raw) < 6:
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if sum(one.isprintable() or one.isspace() for one in text) > 0.95 * len(text) else None


def _base64(blob: str) -> bytes | None:
    body = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        return None


def _base32(blob: str) -> bytes | None:
    body = blob.rstrip("=")
    try:
        return base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error:
        return None


def _hex(blob: str) -> bytes | None:
    digits = re.sub(r"\\x|0x|[^0-9a-fA-F]", "", blob)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _bits(blob: str) -> bytes | None:
    parts = blob.replace(",", " ").split()
    if len(parts) < 2:
        parts = [blob[at : at + 8] for at in range(0, len(blob.strip()), 8)]
    return bytes(int(part, 2) & 0xFF for part in parts)


def _codes(blob: str) -> bytes | None:
    numbers = [int(one) for one in re.findall(r"\d+", blob)]
    return bytes(numbers) if all(31 < one < 127 for one in numbers) else None


def _morse(blob: str) -> str:
    plain = re.sub("[\u2013\u2212]", "-", re.sub("[\u00b7\u2022]", ".", blob)).replace("|", "/")
    words = plain.split("/") if "/" in plain else plain.split("   ")
    return " ".join("".join(_MORSE_LETTERS.get(letter, "") for letter in word.split()) for word in words)
