"""``postil train``: train an adapter on labelled messages.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.evaluation_display import show_evaluation
from postil.gateway.cli.method_report import show_method
from postil.gateway.cli.output import complaints, print_error, print_json_text
from postil.gateway.errors import SettingsError
from postil.gateway.settings import read_settings
from postil.gateway.telemetry.terminal import Terminal
from postil.registry.errors import RegistryError
from postil.registry.fsutil import private_files
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.report import MethodReport
from postil.registry.training.options import Device, Precision, Schedule, own_name

if TYPE_CHECKING:
    from postil.registry.base_model.model import BaseModel
    from postil.registry.training.methods.progress import Lines
    from postil.registry.training.options import TrainOptions
    from postil.registry.training.progress import Bar
    from postil.registry.training.report import TrainReport

# What says how the command works, and is no option of training.
_OF_THE_COMMAND = {"config", "json"}
_TOO_LITTLE = "the memory is not enough; take fewer --targets, a later --first-layer or a smaller --batch-size"

_TOO_LITTLE_FOR_METHODS = (
    "the memory is not enough; take a smaller --batch-size with more --accumulation, shorter rows or --tune lora"
)


def flag_name(name: str) -> str:
    """Return the flag that is meant by a name of TRL, transformers or PEFT, or by one with underscores."""
    return own_name(name).replace("_", "-")


# For ``Typer.command``.
NAMES = {"token_normalize_func": flag_name}


def train(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of options, by the names of the flags; flags come first.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Training examples: JSONL with instruction, input and output.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Validation examples: JSONL with other messages than the training data.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Other examples, which fit temperature and minimum; default: --validation.")
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(help="Other examples, which only give the figures; default: --validation.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write the adapter to.")] = None,
    method: Annotated[
        str, typer.Option(help="What is learned: classify (one label as JSON), sft, text, dpo or kto.")
    ] = "classify",
    tune: Annotated[
        str, typer.Option(help="Which weights learn it: lora, rslora, dora, bottleneck, full ...")
    ] = "lora",
    base: Annotated[
        str | None, typer.Option(help="Model folder or Hugging Face id; default: the gateway's base.")
    ] = None,
    base_id: Annotated[str | None, typer.Option(help="Id of a base in a folder; default: the folder's name.")] = None,
    reject: Annotated[str | None, typer.Option(help="Label for messages that fit no other label.")] = None,
    rank: Annotated[int, typer.Option(help="Rank of the LoRA.")] = 8,
    alpha: Annotated[int, typer.Option(help="LoRA alpha: the update is scaled by alpha / rank.")] = 16,
    targets: Annotated[str, typer.Option(help="Modules to adapt, separated by commas.")] = "q_proj,v_proj",
    first_layer: Annotated[int, typer.Option(help="First layer to train; fewer layers train faster.")] = 0,
    dropout: Annotated[float, typer.Option(help="Dropout in the LoRA.")] = 0.0,
    half: Annotated[bool, typer.Option("--half", help="Store the weights as float16.")] = False,
    epochs: Annotated[float, typer.Option(help="Number of passes over the training data.")] = 3,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    batch_size: Annotated[int, typer.Option(help="Examples that are computed together.")] = 8,
    accumulation: Annotated[int, typer.Option(help="Batches per step; more take longer, and no more memory.")] = 1,
    schedule: Annotated[Schedule, typer.Option(help="What the learning rate does after warm-up.")] = "cosine",
    warmup: Annotated[float, typer.Option(help="Share of steps for learning-rate warm-up, 0 to 1.")] = 0.06,
    weight_decay: Annotated[float, typer.Option(help="Weight decay.")] = 0.0,
    noise: Annotated[float, typer.Option(help="Share of messages with added typing errors, 0 to 1.")] = 0.0,
    parts: Annotated[int, typer.Option(help="Validation runs per epoch.")] = 1,
    patience: Annotated[int | None, typer.Option(help="End after so many validations without a better one.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed; equal seeds give equal adapters.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes a GPU if there is one.")] = "auto",
    dtype: Annotated[Precision, typer.Option(help="Numbers of the base; bfloat16 takes less.")] = "float32",
    max_steps: Annotated[int | None, typer.Option(help="End after so many steps; not classify.")] = None,
    eval_steps: Annotated[
        int | None, typer.Option(help="Steps between two validations, in place of --parts; not classify.")
    ] = None,
    save_steps: Annotated[
        int | None, typer.Option(help="Steps between two checkpoints; default: at validations; not classify.")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Adapter to go on from; not classify.")] = None,
    beta: Annotated[float, typer.Option(help="How near dpo and kto stay to their reference.")] = 0.1,
    sft_weight: Annotated[float, typer.Option(help="Weight of the loss that keeps dpo's better answer likely.")] = 0.2,
    convert_rank: Annotated[int, typer.Option(help="Rank of the LoRA that dora or full becomes.")] = 16,
    virtual_tokens: Annotated[int, typer.Option(help="Learned tokens of prompt and prefix.")] = 14,
    measure_only: Annotated[
        bool, typer.Option("--measure-only", help="Train what cannot be served too, and write no adapter.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the result of an earlier run.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Train an adapter and measure it against the base.

    Options may be named as in TRL, transformers and PEFT too, such as --lora-r or num_train_epochs.
    """
    out, report = _run(config, _flags(context), rows=not json)
    if json:
        print_json_text(report.model_dump_json(indent=2))
        return
    if isinstance(report, MethodReport):
        show_method(report)
    else:
        show_evaluation(report)
    if report.bytes:
        Terminal().print(f"{out}: {report.bytes:,} bytes, {report.seconds:.0f} s", soft_wrap=True)


def _flags(context: typer.Context) -> dict[str, Any]:
    """Return the options that stand on the command line; defaults are those of the typed options."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    return {name: context.params[name] for name in given - _OF_THE_COMMAND}


def prepared_base(wanted: str | None) -> BaseModel:
    """Prepare the given base, or the one that ``postil serve`` uses."""
    from postil.registry.base_model.prepare import prepare

    settings = read_settings()
    return prepare(wanted or settings.base_model, settings.home)


def _run(config: Path | None, flags: Mapping[str, Any], *, rows: bool) -> tuple[Path, TrainReport | MethodReport]:
    """Train with the progress on standard error; standard output holds only the report."""
    from postil.gateway.cli.training_config import merged
    from postil.registry.training.dispatch import trainer
    from postil.registry.training.methods.servability import check_servable
    from postil.registry.training.methods.used import check_used

    with explained("stopped; the same command goes on from the last checkpoint"):
        # All before the base is prepared, which may take long.
        given = merged(config, flags)
        options = given.options(read_settings().window)
        run = trainer(options.method, options.tune)
        if isinstance(options, MethodOptions):
            check_servable(options.method, options.tune, measure_only=options.measure_only)
            check_used(options)
        prepared = prepared_base(given.text("base"))
        of_base = {"base": prepared.path, "base_id": given.text("base_id") or prepared.id}
        with _watcher(options, rows=rows) as watcher, private_files(), advised(options):
            return options.out, run(options.model_copy(update=of_base), watcher)


def _watcher(options: TrainOptions, *, rows: bool) -> AbstractContextManager[Bar | Lines]:
    """A bar for the fast path; lines for the other methods, which say how the result is served."""
    from postil.registry.training.methods.progress import Lines
    from postil.registry.training.progress import Bar

    if isinstance(options, MethodOptions):
        return nullcontext(Lines(complaints(), rows=rows))
    return Bar(complaints(), rows=rows)


@contextmanager
def advised(options: TrainOptions) -> Iterator[None]:
    """Where memory is short, name what a method beside the fast path can do. Raises CommandError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(options, MethodOptions) or not (isinstance(error, MemoryError) or "memory" in str(error)):
            raise
        raise CommandError(_TOO_LITTLE_FOR_METHODS) from error


@contextmanager
def explained(stopped: str = "stopped; nothing was written") -> Iterator[None]:
    """Say in one sentence why the work ended before its end."""
    try:
        yield
        return
    except KeyboardInterrupt:
        print_error(stopped)
        raise typer.Exit(130) from None
    except MemoryError:
        print_error(_TOO_LITTLE)
    except RuntimeError as error:  # torch's, also where memory is short.
        print_error(
            _TOO_LITTLE
            if "memory" in str(error)
            else f"torch gave up: {(str(error) or type(error).__name__).splitlines()[0]}"
        )
    except (CommandError, RegistryError, SettingsError) as error:
        print_error(error)
    raise typer.Exit(1)
