"""``legal-citations``: answers cite only statutes that somebody on the team has looked at.

It reads citations of the U.S. Code as they are usually written, ``17 U.S.C. § 107``. What is written in another way
is not found: it helps a model that was trained to write so, and is no defence against one that was told not to.
"""

from __future__ import annotations

import re
from typing import Annotated

from postil.plugins import Completion, Config, RequestContext, Span, Validator, Verdict, window
from pydantic import Field, field_validator

# A section of so many characters is in no list, so nothing that follows it matters.
_LONGEST = 8
# Looked ahead for, because one can begin in another: of a part, only the second may be there.
_CITED = re.compile(rf"(?<!\w)(?=((\d{{1,2}}) U\.S\.C\. § ?(\w{{1,{_LONGEST}}})))")
_LISTED = re.compile(rf"(\d{{1,2}}) U\.S\.C\. § ?(\w{{1,{_LONGEST - 1}}})")
# The longest citation, and a character on either side of it, which may make it another one.
_WINDOW = len("17 U.S.C. § ") + _LONGEST + 2


class CitationsConfig(Config):
    """``statutes`` are those that may be cited, each as ``17 U.S.C. § 107``."""

    statutes: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("statutes")
    @classmethod
    def _readable(cls, statutes: tuple[str, ...]) -> tuple[str, ...]:
        for statute in statutes:
            if not _LISTED.fullmatch(statute):
                raise ValueError(f"{statute!r} is not written as 17 U.S.C. § 107")
        return statutes


class Citations(Validator):
    """Fails an answer that cites a statute which is not in the list, and says where."""

    name = "legal-citations"
    version = "3"
    Config = CitationsConfig
    scope = window(_WINDOW)

    def __init__(self, config: CitationsConfig) -> None:
        super().__init__(config)
        listed = [_LISTED.fullmatch(statute) for statute in config.statutes]
        self._listed = frozenset(found.groups() for found in listed if found)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Look at every citation that is whole for certain."""
        cited = [found for found in _CITED.finditer(completion.text) if _is_whole(found, completion)]
        spans = [Span(*found.span(1)) for found in cited if found.group(2, 3) not in self._listed]
        return Verdict.failed("cites a statute that is not in the list", spans) if spans else Verdict.passed()


def _is_whole(found: re.Match[str], completion: Completion) -> bool:
    """Whether the part shows what stands on either side. If it does not, another part will."""
    begins = found.start() > 0 or completion.offset == 0
    ends = found.end(1) < len(completion.text) or completion.ends or len(found[3]) == _LONGEST
    return begins and ends
