"""The middle steps of a round: train, evaluate, compare with the live release, and whether it is good enough."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.text import Text

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.output import complaints
from postil.gateway.cli.rounds.asked import one
from postil.gateway.cli.rounds.live import LiveRelease, fetched
from postil.gateway.cli.rounds.work import StepPlan, Work
from postil.gateway.cli.training_config import Given, merged
from postil.gateway.telemetry.terminal import visible
from postil.registry.defaults import REPORT
from postil.registry.releases.held_out_uses import worn_out_sentence
from postil.registry.training.compare_adapters import AdapterComparison, Margins, compare_adapters
from postil.registry.training.dispatch import trainer
from postil.registry.training.errors import RoundError
from postil.registry.training.evaluate import Files, evaluate
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.servability import check_servable
from postil.registry.training.methods.used import check_used
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Count
from postil.registry.training.report import Evaluation
from postil.registry.training.rounds.child import train_apart
from postil.registry.training.rounds.record import Made, digest_of_values, short

# What is taken from the live release's training where the file of --config does not say otherwise.
_LEARNED_BY = (
    "method", "tune", "rank", "alpha", "targets", "dropout", "half", "epochs", "learning_rate", "batch_size",
    "accumulation", "schedule", "warmup", "weight_decay", "seed",
)  # fmt: skip
# And by the fast path alone.
_OF_LABELS = ("reject", "first_layer", "noise", "parts", "patience")
# The methods that learn labelled answers, which is what people decide on.
_METHODS = ("classify", "sft")
_SHOWN = 0.05


def learning_steps(work: Work) -> list[StepPlan]:
    """Return the steps from the rows to a compared adapter."""
    steps = [
        StepPlan("train", "an adapter, in a process of its own", partial(_train_inputs, work), partial(_train, work)),
        StepPlan(
            "evaluate",
            "on the held-out rows",
            lambda: {"train": work.digest("train"), "split": work.digest("split")},
            partial(_evaluate, work),
        ),
    ]
    if work.live is None:
        return steps
    live = work.live
    return [
        *steps,
        StepPlan(
            "compare",
            f"with {live.release}, on the same rows",
            lambda: {"train": work.digest("train"), "split": work.digest("split"), "live": live.artifact},
            partial(_compare, work, live),
        ),
    ]


def check_options(work: Work) -> None:
    """Refuse, before the first step, options that no training takes. Raises CommandError, MethodError."""
    _options(work, Path("train.jsonl"), Path("validation.jsonl"), None, Path("held-out.jsonl"))


def _options(work: Work, data: Path, validation: Path, calibration: Path | None, held_out: Path) -> TrainOptions:
    files = {"data": data, "validation": validation, "held_out": held_out, "out": work.path / "adapter"}
    files |= {} if calibration is None else {"calibration": calibration}
    asked = merged(one(work.asked.files.config), files)
    method = asked.text("method") or work_method(work.live)
    if method not in _METHODS:
        raise CommandError(
            f"a round learns labelled answers, and {method} does not; name a file with --config that has `method:"
            " classify` or `method: sft`"
        )
    names = (*_LEARNED_BY, *(_OF_LABELS if method == "classify" else ()))
    known = {name: value for name, value in _known(work.live).items() if name in names and value is not None}
    return Given({**known, **asked.values, "method": method}, asked.places).options(work.window)


def work_method(live: LiveRelease | None) -> str:
    """Return the method by which the live release was trained, classify where nobody knows."""
    return str(_known(live).get("method") or "classify")


def _known(live: LiveRelease | None) -> Mapping[str, Any]:
    return live.options if live else {}


def _planned(work: Work) -> TrainOptions:
    """The options of the training, with the base."""
    train, validation, held_out = work.parts("train", "validation", "held-out")
    options = _options(work, train, validation, work.part("calibration"), held_out)
    return options.model_copy(update={"base": work.base.path, "base_id": work.base.id})


def _train_inputs(work: Work) -> Mapping[str, str]:
    options = _planned(work).model_dump(
        mode="json", exclude={"data", "validation", "calibration", "held_out", "out", "base"}
    )
    return {"split": work.digest("split"), "options": digest_of_values(options), "base": work.base.revision}


def _train(work: Work) -> Made:
    out = work.path / f"adapter-{short(digest_of_values(dict(_train_inputs(work))))}"
    options = _planned(work).model_copy(update={"out": out, "overwrite": True})
    trainer(options.method, options.tune)  # Refuses what there is not.
    if isinstance(options, MethodOptions):
        check_servable(options.method, options.tune, measure_only=False)
        check_used(options)
    train_apart(options)
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    return Made(out, {"method": options.method, "parameters": report["parameters"], "bytes": report["bytes"]})


def _evaluate(work: Work) -> Made:
    """The figures on the held-out rows. The fast path has measured them with the adapter that it wrote."""
    adapter = work.folder.file("train")
    report = json.loads((adapter / REPORT).read_text(encoding="utf-8"))
    found = report if report.get("adapter_metrics") else _measured(work, adapter)
    figures = {name: found[name] for name in Evaluation.model_fields if name in found}
    made = work.write("evaluation", json.dumps(figures, indent=2, ensure_ascii=False) + "\n", ".json")
    metrics, uses = figures["adapter_metrics"], _used(work, figures["validation"]["digest"])
    counts = {"rows": metrics["examples"], "right": metrics["right"], "base_right": figures["base_metrics"]["right"]}
    return Made(made, {**counts, "held_out_uses": uses})


def _used(work: Work, digest: str) -> int:
    """Have the gateway count the held-out rows as used for this adapter, and say so where they are worn out."""
    body = {"digest": digest, "measured": work.digest("train")}
    with connected() as client:
        found = call(client, "POST", f"/api/v1/adapters/{work.asked.adapter}/held-out-uses", json=body)
    if found["uses"] > found["limit"]:
        said = worn_out_sentence(work.parts("held-out")[0].name, found["uses"] - 1)
        complaints().print(Text(visible(f"    warning: {said}")), soft_wrap=True)
    return int(found["uses"])


def _measured(work: Work, adapter: Path) -> Mapping[str, Any]:
    """Answer the held-out rows with a copy of the adapter: what a step made is not changed."""
    train, held_out = work.parts("train", "held-out")
    files = Files(held_out, work.part("calibration") or work.part("validation"), train)
    with tempfile.TemporaryDirectory(prefix="postil-round-") as scratch, Count(complaints()) as count:
        copy = Path(scratch, "adapter")
        shutil.copytree(adapter, copy)
        found = evaluate(copy, files, work.base, onlooker=count, window=work.window)
    return found.model_dump(mode="json")


def _compare(work: Work, live: LiveRelease) -> Made:
    with connected() as client:
        before = fetched(client, live, work.path)
    held_out, window = work.parts("held-out")[0], work.window
    adapters = {live.release: before, "the new adapter": work.folder.file("train")}
    with Count(complaints()) as count:
        found = compare_adapters(adapters, held_out, work.base, Margins(), count, window=window)
    overall = found.overall
    return Made(
        work.write("comparison", found.model_dump_json(indent=2) + "\n", ".json"),
        {"rows": overall.rows, "only_live": overall.only_before, "only_new": overall.only_after, "p": overall.p},
    )


def comparison(work: Work) -> AdapterComparison | None:
    """Return how the new adapter compares with the live release; None where nothing is live."""
    if work.live is None:
        return None
    return AdapterComparison.model_validate_json(work.folder.file("compare").read_bytes())


def check_better(work: Work) -> None:
    """Stop the round where the new adapter does not show what was asked of it. Raises RoundError."""
    found = comparison(work)
    if found is None or work.asked.publish_anyway or _is_enough(work, found):
        return
    before, after = found.before_metrics, found.after_metrics
    raise RoundError(
        f"it is not published, because the new adapter is not {_WANTED[work.asked.need]} {found.before}: of"
        f" {after.examples} held-out rows it answers {after.right} right and {found.before} {before.right} (McNemar p ="
        f" {found.overall.p:.2g}); decide more reviews and add --fresh, or publish it with --publish-anyway"
    )


_WANTED = {
    "higher": "better than",
    "significant": "significantly better than",
    "not-worse": "shown to be at most 1 point worse than",
}


def _is_enough(work: Work, found: AdapterComparison) -> bool:
    overall = found.overall
    if work.asked.need == "not-worse":
        return found.not_worse
    higher = overall.only_after > overall.only_before
    return higher and (work.asked.need == "higher" or overall.p < _SHOWN)
