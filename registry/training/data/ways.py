"""Ways in which people write the same text: slips on a keyboard, on a phone, other capitals, common misspellings.

Each takes a text and a source of chance, and returns a text, which may be the same where the way does not apply.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

Way = Callable[[str, random.Random], str]
# The rows of a US keyboard, and how far each is set off to the right, in keys.
_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
_BESIDE = 1.6
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# One slip in about so many longer words, and one at least.
_WORDS_A_SLIP = 8
_LEAST_LETTERS = 4

SHORT: Mapping[str, str] = {
    **{"you": "u", "your": "ur", "are": "r", "please": "pls", "thanks": "thx", "because": "bc", "about": "abt"},
    **{"tomorrow": "tmrw", "message": "msg", "appointment": "appt", "with": "w", "and": "&", "before": "b4"},
    **{"people": "ppl", "really": "rly", "something": "smth", "number": "nr", "account": "acct"},
    **{"minutes": "mins", "minute": "min", "week": "wk", "weeks": "wks", "doctor": "doc", "information": "info"},
    **{"though": "tho", "through": "thru", "okay": "ok", "probably": "prob", "know": "kno"},
}
MISSPELT: Mapping[str, str] = {
    **{"receive": "recieve", "received": "recieved", "definitely": "definately", "separate": "seperate"},
    **{"believe": "beleive", "until": "untill", "tomorrow": "tommorow", "beginning": "begining", "weird": "wierd"},
    **{"address": "adress", "account": "acount", "appointment": "apointment", "immediately": "immediatly"},
    **{"necessary": "neccessary", "occurred": "occured", "payment": "payement", "transfer": "transfere"},
    **{"which": "wich", "because": "becuase", "their": "thier", "friend": "freind", "really": "realy"},
    **{"successful": "succesful", "recommend": "recomend", "accommodation": "accomodation", "truly": "truely"},
    **{"government": "goverment", "environment": "enviroment", "business": "buisness", "calendar": "calender"},
    **{"different": "diffrent", "experience": "experiance", "insurance": "insurence", "medicine": "medecine"},
    **{"prescription": "perscription", "stomach": "stomache", "headache": "headake", "symptoms": "symtoms"},
    **{"balance": "ballance", "guarantee": "garantee", "agreement": "agrement"},
    **{"liability": "liabilty", "termination": "terminaton", "confidential": "confidental", "licence": "lisence"},
}


def by_keyboard(text: str, chance: random.Random) -> str:
    """Slip on some words: a neighbouring key instead or besides, two letters swapped, one left out or doubled."""
    words = [found for found in _WORD.finditer(text) if len(found.group()) >= _LEAST_LETTERS]
    if not words:
        return text
    chosen = chance.sample(words, max(1, len(words) // _WORDS_A_SLIP))
    for found in sorted(chosen, key=lambda word: -word.start()):
        text = text[: found.start()] + _slip(found.group(), chance) + text[found.end() :]
    return text


def by_phone(text: str, chance: random.Random) -> str:
    """Write as on a phone: no capitals and apostrophes, no full stop at the end, some words cut short (English)."""
    plain = text.lower().replace("'", "").replace("’", "").rstrip()
    plain = plain.removesuffix(".") or plain
    return _WORD.sub(lambda found: _shortened(found.group(), SHORT, chance), plain)


def by_casing(text: str, chance: random.Random) -> str:
    """Write in small letters, in capitals, or with a capital at each word."""
    return chance.choice([other for other in (text.lower(), text.upper(), text.title()) if other != text] or [text])


def by_spelling(text: str, chance: random.Random) -> str:
    """Write some words as they are often misspelt (English)."""
    return _WORD.sub(lambda found: _shortened(found.group(), MISSPELT, chance), text)


WAYS: Mapping[str, Way] = {
    "keyboard": by_keyboard,
    "phone": by_phone,
    "casing": by_casing,
    "spelling": by_spelling,
}


def _slip(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    near = chance.choice(_neighbours(word[at]) or [word[at]])
    return chance.choice(
        [
            word[:at] + near + word[at + 1 :],
            word[: at + 1] + near + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        ]
    )


def _neighbours(letter: str) -> list[str]:
    """The keys around a letter, in its case; none for letters that a US keyboard has not."""
    places = {
        key: (row, column + offset) for row, (keys, offset) in enumerate(_ROWS) for column, key in enumerate(keys)
    }
    own = places.get(letter.lower())
    if own is None:
        return []
    near = [key for key, place in places.items() if 0 < (own[0] - place[0]) ** 2 + (own[1] - place[1]) ** 2 < _BESIDE]
    return [key.upper() if letter.isupper() else key for key in near]


def _shortened(word: str, known: Mapping[str, str], chance: random.Random) -> str:
    other = known.get(word.lower())
    if other is None or chance.random() < 0.3:
        return word
    return other.capitalize() if word[0].isupper() else other
