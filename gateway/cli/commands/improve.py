"""``postil improve``: from what people decided to the next release, in steps that go on where they ended.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from postil.gateway.cli.commands.train import explained
from postil.gateway.cli.output import AsJson, complaints, console, print_json, print_table
from postil.gateway.cli.rounds.asked import Asked, Files, Need
from postil.gateway.telemetry.terminal import visible
from postil.registry.fsutil import private_files
from postil.registry.names import parse_adapter

if TYPE_CHECKING:
    from postil.gateway.cli.rounds.run import Planned
    from postil.gateway.cli.rounds.work import StepPlan, Work
    from postil.registry.training.rounds.record import Done

# What the steps need beside training: near-duplicates, and a linear model to compare with.
_ALSO_NEEDED = ("datasketch", "sklearn")
_STOPPED = "stopped; the same command goes on from the step that was not done"


def improve(
    adapter: Annotated[str, typer.Argument(help="The adapter: domain/adapter.")],
    folder: Annotated[
        Path | None, typer.Option("--round", help="Folder of the round; default: rounds/domain/adapter.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="What it was trained on before; may be given again. Default: what the last round or job has."
        ),
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(help="Rows to compare with, never learned from. Default: as for --data.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Rows that choose the best state; default: a tenth of the training rows.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Rows that fit the confidence; default: those of --validation.")
    ] = None,
    reviews: Annotated[
        Path | None, typer.Option(help="File of `postil data export`, for a key that may not read reviews.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only decisions since this time (UTC), such as 2026-11-01.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of training options; default: those of the live release.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file; default: the live release's policy.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Model folder or Hugging Face id; default: the gateway's base.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the split.")] = 0,
    need: Annotated[Need, typer.Option(help="What it has to show beside the live release to be published.")] = "higher",
    publish_anyway: Annotated[
        bool, typer.Option("--publish-anyway", help="Publish it whatever the comparison shows.")
    ] = False,
    canary: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="Then send so many per cent of the requests to it.")
    ] = None,
    note: Annotated[str, typer.Option(help="Reason, stored in the event log.")] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Export again, even if the last round was not published.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which steps are to be done, and do none.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train the next release on what people decided, compare it with the live one, and publish it, not live.

    The steps are export, merge, split, check, train, evaluate, compare, publish and, if asked for, canary. Each one's
    result lies in the folder of the round, by its digest in round.json. A round that was ended goes on with the same
    command, and a step whose inputs are the same is not done again. Exits with 1 where there is nothing to learn, the
    data has errors, or the new adapter is not better.
    """
    name = parse_adapter(adapter)
    files = Files(tuple(data or ()), *map(_group, (held_out, validation, calibration, config, policy, reviews)))
    asked = Asked(
        adapter=name, folder=folder or Path("rounds", name.domain, name.adapter), files=files, since=since, base=base,
        need=need, publish_anyway=publish_anyway, canary=canary, note=note, seed=seed,
    )  # fmt: skip
    with explained(_STOPPED), private_files():
        if dry_run:
            _plan(asked, fresh, as_json)
        else:
            _run(asked, fresh, as_json)


def _group(path: Path | None) -> tuple[Path, ...]:
    return () if path is None else (path,)


def _plan(asked: Asked, fresh: bool, as_json: bool) -> None:
    from postil.gateway.cli.rounds.run import begin, plan

    work = begin(asked, fresh=fresh)
    steps = list(plan(work))
    if as_json:
        print_json(_head(work) | {"steps": [_planned(one) for one in steps]})
        return
    rows = [(one.plan.name, one.plan.what, "is done" if one.kept else "to do") for one in steps]
    print_table(["step", "what", "state"], rows, empty="")


def _planned(one: Planned) -> dict[str, Any]:
    return {"step": one.plan.name, "what": one.plan.what, "done": one.kept}


def _run(asked: Asked, fresh: bool, as_json: bool) -> None:
    from postil.gateway.cli.rounds.run import begin, run
    from postil.registry.training.rounds.record import held
    from postil.registry.training.train import LIBRARIES, check_libraries

    check_libraries((*LIBRARIES, *_ALSO_NEEDED))  # Before anybody's messages are written to the disk.
    with held(asked.folder):
        work = begin(asked, fresh=fresh)
        done = run(work, _tell)
    release = work.folder.step("publish").details["release"]
    if as_json:
        print_json(_head(work) | {"release": release, "steps": [_shown(one) for one in done]})
        return
    rows = [(one.step.name, one.step.digest[7:19], _seconds(one), figures(one.step.details)) for one in done]
    print_table(["step", "digest", "seconds", "result"], rows, empty="")
    lineage = f"the way to it is shown by `postil lineage {release}`"
    console().print(Text(visible(f"published {release}, which is not live; {lineage}")), soft_wrap=True)


def _tell(number: int, of: int, step: StepPlan, done: Done | None) -> None:
    """Say on standard error what is begun, and how it ended."""
    said = f"{number}/{of} {step.name}: {step.what}" if done is None else f"    {_ended(done)}"
    complaints().print(Text(visible(said)), soft_wrap=True)


def _ended(done: Done) -> str:
    return "is done" if done.kept else f"done in {done.step.seconds:.1f} s: {figures(done.step.details)}"


def _head(work: Work) -> dict[str, Any]:
    live = None if work.live is None else work.live.release
    return {"adapter": str(work.asked.adapter), "round": str(work.path), "live": live}


def _shown(done: Done) -> dict[str, Any]:
    step = done.step
    return {"step": step.name, "kept": done.kept, **step.model_dump(exclude={"name"})}


def _seconds(done: Done) -> str:
    return "kept" if done.kept else f"{done.step.seconds:.1f}"


def figures(details: Mapping[str, Any]) -> str:
    """A step's figures on one line; digests are shown elsewhere."""
    return ", ".join(_figure(name, value) for name, value in details.items() if _is_shown(value))


def _figure(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{inner} {count}" for inner, count in value.items())
    return f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"


def _is_shown(value: Any) -> bool:
    if isinstance(value, Sequence) and not value:
        return False
    return not isinstance(value, str) or not value.startswith("sha256:")
