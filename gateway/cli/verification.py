"""Asks a running gateway held-out rows of a release, and compares its answers with those of training.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postil.gateway.cli.api_client import CommandError, connected
from postil.gateway.cli.commands.export import download
from postil.gateway.cli.engine_answers import Asker
from postil.gateway.cli.output import complaints
from postil.registry.fsutil import private_files

if TYPE_CHECKING:
    from postil.plugins import ReleaseRef
    from postil.registry.policy.policy import Policy
    from postil.registry.training.agreement import Served, Threshold, Verification
    from postil.registry.training.dataset import Dataset, Example

# So many rows are asked for their probability too, of the release and of the base.
_PROBED = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask: so many ``rows`` (0: all), drawn by ``seed``, ``at_once`` under way, and how many may differ."""

    rows: int = 200
    seed: int = 0
    at_once: int = 4
    most_different: float = 0.02


@dataclass(frozen=True, slots=True)
class _Release:
    """What is known of a release: its name, its policy, and the report of its training."""

    name: str
    policy: Policy
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The rows that are asked, by their places in the file."""

    data: Dataset
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the release answers to all rows, and to those that are ``probed``, ``sure``, with the base beside it."""

    served: Sequence[Served]
    probed: Sequence[Example]
    sure: Sequence[Served]
    base: Sequence[Served]


def verified(ref: ReleaseRef, data: Dataset, plan: Plan) -> Verification:
    """Ask rows of a release, and some of the base too. Raises CommandError, DatasetError."""
    with private_files():
        known = _known(ref)
        _check(known, data)
        return _asked(known, _chosen(data, plan.rows, plan.seed), plan.at_once, plan.most_different)


def _known(ref: ReleaseRef) -> _Release:
    """Read the release's policy and report through the gateway. Raises CommandError."""
    from postil.registry.artifacts.contents import policy_in, read_report

    with connected() as client, tempfile.TemporaryDirectory(prefix="postil-") as scratch:
        download(client, ref, Path(scratch), quiet=True)
        policy, report = policy_in(Path(scratch)), read_report(Path(scratch))
    if policy is None:
        raise CommandError(f"the gateway sent no policy of {ref}; ask a gateway of postil's")
    return _Release(str(ref), policy, report)


def _check(release: _Release, data: Dataset) -> None:
    """Refuse rows that the release learned, or that are answered otherwise. Raises CommandError, DatasetError."""
    from postil.registry.training.evaluate import check_unseen

    check_unseen(release.report, release.name, [data])
    output = release.policy.output
    if output is not None and output.labels is not None and output.field != data.field:
        raise CommandError(
            f"{data.path} answers with {data.field!r}, {release.name} with {output.field!r}; name rows of this adapter"
        )


def _chosen(data: Dataset, rows: int, seed: int) -> _Chosen:
    count = len(data.examples)
    some = sorted(random.Random(seed).sample(range(count), rows)) if 0 < rows < count else range(count)
    return _Chosen(data, some)


def _asked(release: _Release, chosen: _Chosen, at_once: int, most_different: float) -> Verification:
    """Ask all rows as a client does, and some for probabilities, of the release and of the base."""
    from postil.registry.training.progress import Count

    data = chosen.data
    examples = [data.examples[place] for place in chosen.places]
    probed = examples[:: max(1, len(examples) // _PROBED)][:_PROBED]
    with connected(openai=True) as client, Count(complaints()) as count:
        count.started(len(examples) + 2 * len(probed))
        asker = Asker(client, data.field, at_once, count.answered)
        base = asker.base(release.policy, probed)
        sure = asker.release(release.name, probed, probabilities=True)
        served = asker.release(release.name, examples, probabilities=False)
    return _verified(release, chosen, most_different, _Seen(served, probed, sure, base))


def _verified(release: _Release, chosen: _Chosen, most_different: float, seen: _Seen) -> Verification:
    from postil.registry.training import agreement
    from postil.registry.training.predictions import known_predictions
    from postil.registry.training.report import about

    data, threshold = chosen.data, _threshold(release)
    examples = [data.examples[place] for place in chosen.places]
    kept = known_predictions(release.report, data.digest, len(data.examples))
    answers = confidence = None
    if kept is not None:
        trained = [kept[place] for place in chosen.places]
        by_line = dict(zip([one.line for one in examples], trained, strict=True))
        answers = agreement.agreement(examples, trained, seen.served, threshold, most_different)
        confidence = agreement.confidences([by_line[one.line] for one in seen.probed], seen.sure)
    return agreement.Verification(
        release=release.name,
        file=about(data),
        rows=len(examples),
        answers=answers,
        confidence=confidence,
        accuracy=agreement.accuracy(examples, seen.served, threshold.reject, release.report),
        effect=agreement.effect(seen.sure, seen.base),
    )


def _threshold(release: _Release) -> Threshold:
    """Return what the release's policy holds back, as far as its own validators tell."""
    from postil.registry.training.agreement import Threshold

    reject = release.policy.output.reject if release.policy.output else None
    uses = [use.config for use in release.policy.validators if use.name == "confidence"]
    if not uses:
        return Threshold(reject=reject)
    calibration = release.report.get("calibration")
    fitted = calibration.get("temperature") if isinstance(calibration, Mapping) else None
    temperature = uses[0].get("temperature", fitted)
    minimum = uses[0].get("minimum", 0.5)
    return Threshold(
        float(minimum) if isinstance(minimum, int | float) else 0.5,
        float(temperature) if isinstance(temperature, int | float) else 1.0,
        reject,
    )
