"""``injection``: a request that reads like an attempt to change the model's instructions.

Rules for what is exact (control tokens, hidden characters, well-known wordings in thirty languages), a small classifier
of words for the rest, and both again for what is encoded. How much they find is measured in ``deploy/docs/checks.md``;
they are no defence by themselves. What defends is that a model's answer can do no harm: an output constraint,
validators, tools that ask for rights of their own. Use this to notice, and to make it harder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from math import exp
from typing import Annotated, Literal

import re2
from pydantic import Field

from postil.plugins.contract import Config, InputCheck
from postil.plugins.cost import Cost
from postil.plugins.hookspecs import hookimpl
from postil.plugins.recognition.folding import plain
from postil.plugins.recognition.injection_encoded import decoded, is_scrambled, respelt
from postil.plugins.recognition.injection_rules import OTHERS, WEIGHTS, english, foreign
from postil.plugins.recognition.word_model import SCALE, WordModel
from postil.plugins.texts import asked
from postil.plugins.types import RequestContext, Verdict

_CONTROL = re2.compile(
    r"(?i)<\|[\w ]{2,30}\|>|\[/?inst\]|<</?sys>>|</?s>|<(?:start|end)_of_turn>|</?(?:system|assistant|instructions?)>"
    r"|#{2,}\s*(?:system|instruction|response|new instruction)"
)
# A chat that is played: whoever asks says what the assistant said.
_TURNS = tuple(
    re2.compile(rf"(?im)^\W{{0,4}}(?:{names})(?: (?:prompt|message|note|override))?\s*(?:\]|:)")
    for names in ("user|human|customer", "assistant|ai|bot|model|chatgpt")
)
_SYSTEM = re2.compile(
    r"(?im)^\W{0,6}(?:system|developer)(?: (?:prompt|message|note|override|command))?\s*(?:\]|:)|[\[(<]system[\])>]"
)
_ROLE = re2.compile(r'(?i)"role"\s*:\s*"(?:system|developer|assistant)"')
# From this probability on the classifier is a sign.
_LEAST = 0.3
_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
# The flags of England, Scotland and Wales are spelt in tags; between two ASCII letters nothing has to be joined.
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{2,6}\U000e007f")
_WITHIN = re.compile("[a-zA-Z][\u200b\u200c\u200d\u2060\ufeff]+(?=[a-zA-Z])")
_TAGS = frozenset(map(chr, range(0xE0000, 0xE0080)))


class InjectionConfig(Config):
    """``threshold``: from which score on a request fails, 0 to 1. ``roles``: whose messages are looked at."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    roles: Annotated[tuple[Literal["user", "tool", "system", "developer", "assistant"], ...], Field(min_length=1)] = (
        "user",
        "tool",
    )


class Injection(InputCheck):
    """Fails a request in which the signs of an attack, taken together, reach the threshold."""

    name = "injection"
    version = "2"
    Config = InjectionConfig
    # Short words, in a text that has to be read in each of the ways there are.
    cost = Cost(ascii=15, other=100)

    def __init__(self, config: InjectionConfig) -> None:
        super().__init__(config)
        self._wordings = {kind: re2.compile(one) for kind, one in english().items()}
        self._foreign = [re2.compile(one) for one in foreign()]
        self._model = WordModel("injection.weights")

    def check(self, context: RequestContext) -> Verdict:
        """Fail with the score and the kinds of signs."""
        score, signs = self.score("\n".join(asked(context.request, self.config.roles)))
        if score >= self.config.threshold:
            return Verdict.failed(f"it reads like an attack on the instructions ({score:.2f}: {', '.join(signs)})")
        return Verdict.passed()

    def score(self, text: str) -> tuple[float, Sequence[str]]:
        """How much speaks for an attack, 0 to 1, and what: each kind of sign counts once, and none is certain."""
        signs = dict(self._signs(text))
        harmless = 1.0
        for weight in signs.values():
            harmless *= 1 - weight
        return 1 - harmless, list(signs)

    def _signs(self, text: str) -> Iterator[tuple[str, float]]:
        readable = text.encode(errors="replace").decode()
        words = plain(readable)
        found = [*_marks(readable), *(["hidden characters"] if _hides(text) else []), *self._told(words)]
        yield from ((sign, WEIGHTS[sign]) for sign in found)
        likely = self._likely(words)
        if likely >= _LEAST:
            yield "wording", likely
        inside = list(decoded(readable))
        if inside:
            yield "encoded text", WEIGHTS["encoded text"]
        if is_scrambled(words) or self._attacks_in_another(words, (*respelt(readable), *respelt(words), *inside)):
            yield "encoded attack", WEIGHTS["encoded attack"]

    def _attacks_in_another(self, words: str, readings: Iterable[str]) -> bool:
        """Whether one of the readings does; most are alike, and one that is no other than the text was looked at."""
        return any(self._attacks(one) for one in dict.fromkeys(map(plain, readings)) if one != words)

    def _attacks(self, words: str) -> bool:
        strong = any(WEIGHTS[sign] >= 0.5 for sign in self._told(words))
        return strong or self._likely(words) >= 0.5 or is_scrambled(f"{words[::-1]}")

    def _told(self, words: str) -> Iterator[str]:
        yield from (kind for kind, wording in self._wordings.items() if wording.search(words))
        if any(one.search(words) for one in self._foreign):
            yield OTHERS

    def _likely(self, words: str) -> float:
        return 1 / (1 + exp(-self._model.score(words) / SCALE))


def _marks(text: str) -> Iterator[str]:
    """What parts the turns of a chat, for a model."""
    if _CONTROL.search(text) or _ROLE.search(text):
        yield "control tokens"
    if _SYSTEM.search(text) or all(turn.search(text) for turn in _TURNS):
        yield "turn marks"


def _hides(text: str) -> bool:
    """Characters that nobody sees, where a language or an emoji has no use for them."""
    if text.isascii():
        return False
    if not _BIDI.isdisjoint(text) or not _TAGS.isdisjoint(_FLAG.sub("", text)):
        return True
    return len(_WITHIN.findall(text)) > 1


@hookimpl
def postil_input_checks() -> Sequence[type[InputCheck]]:
    """Offer ``injection``."""
    return [Injection]
