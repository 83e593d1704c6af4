"""``postil evaluate``: measure how good an adapter is.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.commands.train import explained, prepared_base
from postil.gateway.cli.evaluation_display import show_evaluation
from postil.gateway.cli.output import complaints, print_json_text
from postil.gateway.cli.stress_display import show_stress
from postil.gateway.settings import read_settings
from postil.registry.fsutil import private_files
from postil.registry.training.options import Device

Base = Annotated[str | None, typer.Option(help="Model folder or Hugging Face id; default: the gateway's base.")]
Where = Annotated[Device, typer.Option(help="Where to run; auto takes a GPU if there is one.")]


def evaluate(
    adapter: Annotated[Path, typer.Argument(help="Folder of a LoRA adapter, trained here or elsewhere.")],
    data: Annotated[Path, typer.Option(help="Examples that were not used in training: they give the figures.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Other examples, which fit temperature and minimum; default: those of --data.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="The training examples: a linear model and the base are shown them.")
    ] = None,
    critical: Annotated[
        list[str] | None, typer.Option(help="A label for which the promise is to hold too; may be given again.")
    ] = None,
    error: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="The share of answers that may be wrong, for the promise.")
    ] = 0.02,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="How sure the promise is.")] = 0.95,
    stress: Annotated[
        bool, typer.Option("--stress", help="Answer the messages of --data with slips, other capitals, as on a phone.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides how --stress changes them.")] = 0,
    no_label: Annotated[Path | None, typer.Option(help="Texts that none of the labels fits, in any form.")] = None,
    other: Annotated[Path | None, typer.Option(help="Messages of another domain, in any form.")] = None,
    most_forgetting: Annotated[
        float | None,
        typer.Option(min=0, help="Nats per token that the adapter may be away from the base on neutral questions."),
    ] = None,
    base: Base = None,
    reject: Annotated[str | None, typer.Option(help="Label for messages that fit no other label.")] = None,
    device: Where = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure an adapter against the base, calibrate its confidence, and store both in its training.json.

    Exits with 1 where it forgets more than --most-forgetting; the figures are stored all the same.
    """
    from postil.registry.training.evaluate import Files
    from postil.registry.training.evaluate import evaluate as measure
    from postil.registry.training.progress import Count
    from postil.registry.training.promises import Wanted
    from postil.registry.training.stress import StressFiles

    with explained(), Count(complaints()) as count, private_files():
        found = measure(
            adapter,
            Files(data, calibration, training, StressFiles(seed if stress else None, no_label, other)),
            prepared_base(base),
            reject=reject,
            wanted=Wanted(error, confidence, tuple(critical or ())),
            device=device,
            onlooker=count,
            window=read_settings().window,
        )
    if json:
        print_json_text(found.model_dump_json(indent=2))
    else:
        show_evaluation(found)
        show_stress(found)
    if most_forgetting is not None and found.forgetting is not None and found.forgetting.kl > most_forgetting:
        raise CommandError(
            f"{adapter} is {found.forgetting.kl:.3f} nats per token away from the base on neutral questions, and"
            f" {most_forgetting:g} are allowed; train it with fewer steps, a lower rate, or rows of other tasks too"
        )
