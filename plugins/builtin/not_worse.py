"""``not_worse``: a release is made live only if, on the same rows, it is not worse than the one that is live.

`postil train` and `postil evaluate` keep in ``training.json`` which rows were answered right (``outcomes``) and the
digest of their file. Whoever publishes writes that file: the gate keeps mistakes out, and no liars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from postil.plugins.contract import Config, Gate
from postil.plugins.hookspecs import hookimpl
from postil.plugins.statistics.paired import NOT_WORSE, WORSE, Pairs, Verdict, rows_needed, verdict
from postil.plugins.types import Candidate
from postil.plugins.types import Verdict as Judged

_POINTS = 100.0
Points = Annotated[float, Field(gt=0, le=_POINTS)]
Outcomes = Mapping[str, str]


class NotWorseConfig(Config):
    """``margin``: how many points of accuracy lower it may be; ``labels``: the same for single labels.

    ``confidence`` is how sure that has to be. With ``unsure`` a release passes that is not shown to be worse either,
    where the rows are too few to tell.
    """

    margin: Points = 1.0
    labels: dict[str, Points] = Field(default_factory=dict)
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    unsure: bool = False


class NotWorse(Gate):
    """Passes a release that is shown to be at most ``margin`` points worse than the live one, on the same rows."""

    name = "not_worse"
    Config = NotWorseConfig

    def check(self, candidate: Candidate, live: Candidate | None) -> Judged:
        """Fail with the first margin that is not kept. Where nothing is live, or its outcomes are not known, pass."""
        ours = _outcomes(candidate)
        if ours is None:
            return Judged.failed(
                "its training.json does not say which rows were right; run `postil evaluate` on it first"
            )
        theirs = None if live is None else _outcomes(live)
        if live is None or theirs is None:
            return Judged.passed()
        if not _same_rows(candidate, live, ours, theirs):
            return Judged.failed(
                f"it was not measured on the rows of {live.release}, which is live; run `postil evaluate` with the same"
                " file (see validation in training.json)"
            )
        return next(self._complaints(ours, theirs, str(live.release)), Judged.passed())

    def _complaints(self, ours: Outcomes, theirs: Outcomes, live: str) -> Iterator[Judged]:
        for label, margin in (("", self.config.margin), *self.config.labels.items()):
            if label and label not in ours:
                yield Judged.failed(f"no row of its evaluation has the label {label!r}, which the gate's labels name")
            elif reason := self._worse(_paired(ours, theirs, label), margin, label, live):
                yield Judged.failed(reason)

    def _worse(self, pairs: Pairs, margin: float, label: str, live: str) -> str:
        """Return why the candidate does not pass, for a label or (where empty) overall; empty where it does."""
        found = verdict(pairs, margin / _POINTS, self.config.confidence)
        if found == WORSE or (found != NOT_WORSE and not self.config.unsure):
            return self._reason(found, pairs, margin, label, live)
        return ""

    def _reason(self, found: Verdict, pairs: Pairs, margin: float, label: str, live: str) -> str:
        where = f" on messages of {label!r}" if label else ""
        right = f"only it is right on {pairs.only_after} of {pairs.rows} rows, only {live}, which is live, on"
        told = f"{right} {pairs.only_before}"
        points = f"{margin:g} point{'' if margin == 1 else 's'}"
        if found == WORSE:
            return f"it is more than {points} worse{where}: {told}"
        needed = rows_needed(margin / _POINTS, self.config.confidence)
        return (
            f"it is not shown to be at most {points} worse{where}: {told}; evaluate both on more rows"
            f" ({needed} at least)"
        )


def _outcomes(release: Candidate) -> Outcomes | None:
    """Which rows were right, by label; None where a report says nothing of the kind."""
    found: Any = release.metrics.get("outcomes")
    sound = isinstance(found, Mapping) and all(isinstance(text, str) for text in found.values())
    return found if sound and found else None


def _paired(ours: Outcomes, theirs: Outcomes, label: str) -> Pairs:
    """The answers to a label's rows, or to all where it is empty, of the live release and of the candidate."""
    chosen = [label] if label else sorted(ours)
    return Pairs.counted((a == "1", b == "1") for one in chosen for a, b in zip(theirs[one], ours[one], strict=True))


def _same_rows(candidate: Candidate, live: Candidate, ours: Outcomes, theirs: Outcomes) -> bool:
    digests = [_digest(candidate), _digest(live)]
    sizes = [{label: len(text) for label, text in one.items()} for one in (ours, theirs)]
    return digests[0] is not None and digests[0] == digests[1] and sizes[0] == sizes[1]


def _digest(release: Candidate) -> str | None:
    found: Any = release.metrics.get("validation")
    digest = found.get("digest") if isinstance(found, Mapping) else None
    return digest if isinstance(digest, str) else None


@hookimpl
def postil_gates() -> Sequence[type[Gate]]:
    """Offer ``not_worse``."""
    return [NotWorse]
