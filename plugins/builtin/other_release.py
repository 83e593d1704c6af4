"""``other_release``: ask another release, such as the one that was live before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, FallbackRule
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import AskAgain, Completion, RequestContext, Verdict

_RELEASE = r"^(previous|[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*(@[1-9][0-9]{0,8})?)$"


class OtherReleaseConfig(Config):
    """``release``: ``previous``, ``healthcare/triage@2``, or ``healthcare/triage`` for what is live of it."""

    release: Annotated[str, Field(pattern=_RELEASE, max_length=200)] = "previous"


class OtherRelease(FallbackRule):
    """Asks another release, whose own policy then judges the answer. Where there is none, the next rule is tried."""

    name = "other_release"
    Config = OtherReleaseConfig

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> AskAgain:
        """Ask that release, whatever failed."""
        return AskAgain(release=self.config.release)


@hookimpl
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:
    """Offer ``other_release``."""
    return [OtherRelease]
