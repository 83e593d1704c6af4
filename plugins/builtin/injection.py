"""``injection``: a request that reads like an attempt to change the model's instructions.

These are heuristics, and no defence by themselves. They catch what is copied from well-known lists, in English, and
miss what is put into other words or another language: of twenty attacks that they were not made with, they saw eleven.
What defends is that a model's answer can do no harm: an output constraint, validators, tools that ask for rights of
their own. Use this to notice, and to make it a little harder.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import re2
from pydantic import Field

from postil.plugins.contract import Config, InputCheck
from postil.plugins.cost import Cost
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import asked
from postil.plugins.types import RequestContext, Verdict

# How strongly each kind of sign speaks for an attack, 0 to 1.
_WEIGHTS: Mapping[str, float] = {
    "override": 0.7, "reveal": 0.6, "role play": 0.6, "control tokens": 0.9, "authority": 0.4, "coercion": 0.3,
    "hidden characters": 0.6, "encoded text": 0.4, "encoded attack": 0.9,
}  # fmt: skip
_WORDS: Mapping[str, str] = {
    "<ignore>": "ignore|disregard|forget|override|bypass|neglect|overrule|discard|skip|drop|erase|cancel",
    "<which>": (
        "all|any|every|previous|prior|above|earlier|preceding|former|foregoing|those|your|system|initial|original|old"
    ),
    "<rules>": (
        "instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|constraints?|restrictions?|orders?"
        "|programming|training|policy|policies|safeguards?|context|you were told|you have been told"
    ),
    "<show>": (
        "reveal|show|print|repeat|output|display|tell|give|write|recite|leak|expose|dump|share|reproduce|return|echo"
        "|disclose|translate|summari[sz]e|spell"
    ),
    "<hidden>": "system|hidden|initial|original|secret|internal|developer|first|starting",
    "<told>": "prompts?|instructions?|messages?|rules|guidelines|directives|configuration",
    "<free>": "restrictions?|rules|limits?|limitations?|filters?|guidelines|censorship|ethics|morals|policies|safety",
    "<wild>": "unrestricted|unfiltered|uncensored|amoral|evil|rogue|unethical",
}
# A number between underlines is for so many words that may stand there, <...> for one of those above.
_WORDINGS: Mapping[str, Sequence[str]] = {
    "override": (
        "<ignore>_3_<which>_3_<rules>",
        "(?:do not|don't|stop|no longer|never)_0_(?:follow|obey|listen|adher|comply)\\w*_3_<rules>",
        "<ignore>_0_(?:everything|all|anything|whatever)_2_(?:above|before|said|told|previously|prior|earlier)",
        "(?:everything|all)_3_(?:above|before)_3_(?:void|cancelled|a test|fake|no longer|does not)",
        "(?:new|updated|revised|real|actual)_1_(?:instructions?|prompt|directives?)(?: \\w+)? ?:",
        "your_0_(?:new|real|true|actual|only)_0_(?:task|goal|purpose|instructions?|objective|mission|job|role)_0_(?:is|are)",
        "(?:instead of|rather than)_2_(?:classify|sort|follow|your task)",
    ),
    "reveal": (
        "<show>_5_<hidden>_1_<told>",
        "<show>_4_your_1_(?:prompt|instructions|rules|guidelines)",
        "(?:what|which)_3_(?:your|the)_0_<hidden>_0_(?:prompt|instructions?|message)",
        "what_0_(?:were|are|was)_0_(?:you_0_(?:told|instructed|given)|your_0_(?:instructions|prompt))",
        "(?:repeat|print|output|copy|recite)_4_(?:above|before this|verbatim|word for word)",
        "(?:text|words|everything|lines)_2_(?:above|before)_0_(?:this|verbatim|the line|starting)",
    ),
    "role play": (
        "do_0_anything_0_now", "dan_0_mode", "you_0_are_3_dan\\b", "jail ?-?br(?:eak|oken)\\w*",
        "(?:developer|dev|debug|god|sudo|admin|root|maintenance|opposite|<wild>)_0_mode",
        "(?:act|pretend|behave|role ?play|respond|answer|reply|imagine|simulate)_0_(?:as|like|you|that|an?)_7_(?:no"
        "|without|free of|free from|any|not bound by)_3_<free>",
        "<wild>_2_(?:ai|assistant|model|bot|chatbot|persona|version)\\b",
        "(?:no|without|lift|remove|disable|turn off)_3_(?:content filters?|safety filters?"
        "|safety guidelines|safety rules|ethical guidelines|safeguards|moderation)",
        "you_0_(?:are|have)_2_(?:freed|liberated|broken free|escaped|not bound|no longer bound)",
        "my_0_(?:deceased|dead|late)_0_grand(?:ma|mother|pa|father)_4_(?:used to|would)_6_(?:napalm|keys?|password|bomb"
        "|malware)",
    ),
    "authority": (
        "(?:i am|i'm|this is)_0_(?:your|the|an?)_1_(?:developer|creator|administrator|admin|openai\\w*)",
        "system_0_(?:override|update|notice|alert|command)", "(?:authori[sz]ation|override)_0_(?:code|granted|key)",
        "from_0_now_0_on_3_you", "you_0_(?:must|will|shall)_1_(?:obey|comply)",
        "(?:end|start|begin|beginning)_0_of_2_(?:prompt|instructions?|input)",
        "this_0_(?:is|was)_2_(?:security|penetration|safety)_0_test",
    ),
    "coercion": (
        "(?:only|just|simply)_0_(?:reply|respond|answer|say|output|print)",
        "(?:decode|decrypt|unscramble)_6_(?:follow|execute|run|do|obey|act)",
        "(?:begin|start)_0_your_0_(?:reply|response|answer)",
        "without_1_(?:warnings?|disclaimers?|refus\\w+|moral\\w*)",
        "(?:follow|execute|obey|run)_2_(?:instructions|commands|payload)",
    ),
}  # fmt: skip
_CONTROL = re2.compile(
    r"(?i)<\|[\w ]{2,30}\|>|\[/?inst\]|<</?sys>>|</?s>|<(?:start|end)_of_turn>|</?(?:system|assistant|instructions?)>"
    r"|(?m:^\W{0,4}(?:system|assistant|developer)(?: (?:prompt|message|note))?\s*(?:\]|:))"
    r"|#{2,}\s*(?:system|instruction|response|new instruction)"
)
_BLOB = re2.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
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
    Config = InjectionConfig
    cost = Cost(ascii=0.6, other=6)

    def __init__(self, config: InjectionConfig) -> None:
        super().__init__(config)
        self._wordings = {kind: re2.compile("|".join(map(_pattern, some))) for kind, some in _WORDINGS.items()}

    def check(self, context: RequestContext) -> Verdict:
        """Fail with the score and the kinds of signs."""
        score, signs = self.score("\n".join(asked(context.request, self.config.roles)))
        if score >= self.config.threshold:
            return Verdict.failed(f"it reads like an attack on the instructions ({score:.2f}: {', '.join(signs)})")
        return Verdict.passed()

    def score(self, text: str) -> tuple[float, Sequence[str]]:
        """How much speaks for an attack, 0 to 1, and what: each kind of sign counts once, and none is certain."""
        signs = list(dict.fromkeys(self._signs(text)))
        harmless = 1.0
        for sign in signs:
            harmless *= 1 - _WEIGHTS[sign]
        return 1 - harmless, signs

    def _signs(self, text: str) -> Iterator[str]:
        readable = text.encode(errors="replace").decode()
        if _CONTROL.search(readable):
            yield "control tokens"
        if _hides(text):
            yield "hidden characters"
        yield from self._told(readable)
        for blob in _BLOB.findall(readable)[:100]:
            inside = _decoded(blob)
            if inside is not None:
                yield "encoded attack" if any(self._told(inside)) else "encoded text"

    def _told(self, text: str) -> Iterator[str]:
        plain = _plain(text)
        return (kind for kind, wording in self._wordings.items() if wording.search(plain))


def _pattern(wording: str) -> str:
    for name, words in _WORDS.items():
        wording = wording.replace(name, f"(?:{words})")
    return r"\b" + re.sub(r"_(\d)_", r"\\W+(?:\\w+\\W+){0,\1}?", wording)


def _hides(text: str) -> bool:
    """Characters that nobody sees, where a language or an emoji has no use for them."""
    if text.isascii():
        return False
    if not _BIDI.isdisjoint(text) or not _TAGS.isdisjoint(_FLAG.sub("", text)):
        return True
    return len(_WITHIN.findall(text)) > 1


def _decoded(blob: str) -> str | None:
    """The text that a blob is the base64 of, or None: digests and keys are the base64 of no text."""
    body = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if sum(one.isprintable() or one.isspace() for one in text) > 0.95 * len(text) else None


def _plain(text: str) -> str:
    """Small letters without accents, straight apostrophes, single spaces, no hidden characters."""
    shown = "".join(one for one in unicodedata.normalize("NFKD", text) if unicodedata.category(one) not in ("Cf", "Mn"))
    return " ".join(shown.casefold().replace("\u2019", "'").split())


@hookimpl
def postil_input_checks() -> Sequence[type[InputCheck]]:
    """Offer ``injection``."""
    return [Injection]
