"""``postil data check | split | vary | review | export``: training data, before anybody learns from it.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer

from postil.gateway.cli.api_client import CommandError, trusted
from postil.gateway.cli.commands.data_export import export
from postil.gateway.cli.commands.data_review import review
from postil.gateway.cli.output import AsJson, console, print_error, print_json_text, print_table
from postil.gateway.settings import read_settings

if TYPE_CHECKING:
    from postil.registry.training.data.report import DataFinding, DataReport, Spot
    from postil.registry.training.data.vary import Paraphrasing

_SHOWN = 10
_ENDPOINT_SECONDS = 60.0
Data = Annotated[Path, typer.Argument(help="Training data of any known form: JSON lines, CSV or Parquet.")]
Threshold = Annotated[
    float, typer.Option(min=0.1, max=1, help="Likeness from which two texts count as near, 0.1 to 1.")
]


def make_cli() -> typer.Typer:
    """Return the `data` command group."""
    cli = typer.Typer(help="Training data: check, split, vary and review it, export decisions.", no_args_is_help=True)
    cli.callback()(lambda: None)
    cli.command()(check)
    cli.command()(split)
    cli.command()(vary)
    cli.command()(review)
    cli.command()(export)
    return cli


def check(
    file: Data,
    validation: Annotated[
        list[Path] | None, typer.Option(help="File that is not learned from; may be named more than once.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="Folder of the base, to count tokens; default: the gateway's, if it is here.")
    ] = None,
    near: Threshold = 0.5,
    all_: Annotated[bool, typer.Option("--all", help="Show all rows that a finding names, not only ten.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check training data: faults, duplicates, leaks, wrong labels, lengths, personal data. Nothing is changed.

    Exits with 1 if there is an error, which would stop the training; warnings are for a person to judge.
    """
    from postil.registry.training.data.check import check as run

    settings = read_settings()
    report = run(file, validation or (), base=_base(base), window=settings.window, threshold=near)
    if as_json:
        print_json_text(report.model_dump_json(indent=2, exclude_none=True))
    else:
        _show(report, None if all_ else _SHOWN)
    if report.errors:
        raise typer.Exit(1)


def split(
    file: Data,
    out: Annotated[Path, typer.Option(help="Folder for the parts and split.json.")],
    shares: Annotated[
        str, typer.Option(help="Shares of train, validation, calibration and held-out; 0 leaves a part out.")
    ] = "70,10,10,10",
    seed: Annotated[int, typer.Option(help="Random seed; equal seeds give equal parts.")] = 0,
    near: Threshold = 0.5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of an earlier split.")] = False,
    as_json: AsJson = False,
) -> None:
    """Split training data into train, validation, calibration and held-out.

    Rows that are nearly the same stay in one part, and each label gets its share of every part.
    """
    from postil.registry.training.data.split import split as run

    report = run(file, out, shares=_numbers(shares), seed=seed, threshold=near, overwrite=overwrite)
    if as_json:
        print_json_text(report.model_dump_json(indent=2))
        return
    names = sorted({label for part in report.parts for label in part.labels})
    rows = [(str(out / part.file), part.rows, *(part.labels.get(name, 0) for name in names)) for part in report.parts]
    print_table(["file", "rows", *names], rows, empty="")
    grouped = f"{report.rows} rows in {report.groups} groups that stay together, the largest of {report.largest_group}"
    console().print(grouped)


def vary(
    file: Data,
    out: Annotated[Path, typer.Option(help="File to write the rows and their variants to, as JSON lines.")],
    ways: Annotated[
        str, typer.Option(help="Ways of writing, separated by commas; empty for none.")
    ] = "keyboard,phone,casing,spelling",
    each: Annotated[int, typer.Option(min=0, max=4, help="Variants of each row, at most.")] = 1,
    seed: Annotated[int, typer.Option(help="Random seed; equal seeds give equal variants.")] = 0,
    endpoint: Annotated[
        str | None, typer.Option(help="Your own OpenAI-compatible API that paraphrases, such as https://host/v1.")
    ] = None,
    endpoint_key_file: Annotated[Path | None, typer.Option(help="File with the key of the endpoint.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of the endpoint.")] = None,
    paraphrases: Annotated[int, typer.Option(min=1, help="Rows to paraphrase, at most.")] = 100,
    same_label: Annotated[
        bool, typer.Option("--same-label", help="Drop paraphrases to which a linear model gives another label.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of an earlier run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add variants of messages: typing errors, phone style, capitals, misspellings, and paraphrases. Answers stay.

    With --endpoint the texts are sent there, except those with personal data. Held-out rows are refused.
    """
    from postil.registry.training.data.vary import vary as run

    chosen = [way.strip() for way in ways.split(",") if way.strip()]
    with _paraphrasing(endpoint, endpoint_key_file, model, paraphrases, same_label) as paraphrasing:
        report = run(file, out, ways=chosen, each=each, seed=seed, paraphrasing=paraphrasing, overwrite=overwrite)
    if as_json:
        print_json_text(report.model_dump_json(indent=2))
    else:
        rows = [*report.variants.items(), *((f"dropped: {reason}", count) for reason, count in report.dropped.items())]
        print_table(["variants", "rows"], rows, empty="no variant was made")
        console().print(f"{out}: {report.rows} rows and {sum(report.variants.values())} variants")
    if report.trouble:
        print_error(f"the endpoint failed: {report.trouble}; see --endpoint, --endpoint-key-file and --model")
        raise typer.Exit(0 if report.variants.get("paraphrase") else 1)


@contextmanager
def _paraphrasing(
    endpoint: str | None, key_file: Path | None, model: str | None, most: int, same_label: bool
) -> Iterator[Paraphrasing | None]:
    """Who paraphrases, with a client that is closed afterwards; None where no endpoint is named."""
    from postil.registry.training.data.paraphrase import Paraphraser, check_endpoint
    from postil.registry.training.data.vary import Paraphrasing

    if endpoint is None:
        yield None
        return
    if model is None:
        raise CommandError("--endpoint needs --model, the name of a model there")
    check_endpoint(endpoint)
    headers = {} if key_file is None else {"authorization": f"Bearer {_key(key_file)}"}
    trust = trusted(read_settings().ca_file) if endpoint.startswith("https:") else False
    with httpx.Client(headers=headers, timeout=_ENDPOINT_SECONDS, verify=trust) as client:
        yield Paraphrasing(Paraphraser(client, endpoint, model), most, same_label)


def _key(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}); name a file with the endpoint's key") from error
    if not key or not all("!" <= letter <= "~" for letter in key):
        raise CommandError(f"{path} holds no key: a key is one word of printable ASCII; copy it again")
    return key


def _numbers(shares: str) -> list[float]:
    try:
        return [float(share) for share in shares.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{shares!r} is not a list of numbers; write such as 70,10,10,10") from None


def _base(given: Path | None) -> Path | None:
    """The folder of the base that is named, or of the gateway's own, if that is on this machine already."""
    from postil.registry.base_model.prepare import local_folder

    if given is not None and not given.is_dir():
        raise CommandError(f"{given} is not a folder; name the folder of a base model")
    settings = read_settings()
    return given or local_folder(settings.base_model, settings.home)


def _show(report: DataReport, most: int | None) -> None:
    rows = [
        (one.file, one.form, one.rows, "" if one.tokens is None else one.tokens, one.field or "")
        for one in report.files
    ]
    print_table(["file", "form", "rows", "longest", "field"], rows, empty="")
    names = sorted({label for one in report.files for label in one.labels})
    if names:
        console().print()
        columns = ["label", *(Path(one.file).name for one in report.files)]
        print_table(columns, [(name, *(one.labels.get(name, 0) for one in report.files)) for name in names], empty="")
    for finding in report.findings:
        console().print()
        _show_finding(finding, most)
    console().print(f"\n{_counted(report.errors, 'error')}, {_counted(report.warnings, 'warning')}")


def _show_finding(finding: DataFinding, most: int | None) -> None:
    where = f"{finding.file}: " if finding.file else ""
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    console().print(f"{finding.level} ({finding.check}): {where}{finding.text}{remedy}")
    shown = finding.spots[:most]
    if not shown:
        return
    print_table(*_spots(shown), empty="")
    if finding.count > len(shown):
        console().print(f"  and {finding.count - len(shown)} more")


def _spots(spots: tuple[Spot, ...]) -> tuple[list[str], list[tuple[object, ...]]]:
    """The columns that have something in them, and their rows."""
    cells = [
        {
            "  line": f"  {one.line}",
            "near to": _other(one),
            "likeness": "" if one.likeness is None else f"{one.likeness:.2f}",
            "label": one.label or "",
            "rather": one.suggested or "",
            "probability": "" if one.probability is None else f"{one.probability:.2f}",
            "text": one.text or "",
        }
        for one in spots
    ]
    columns = [name for name in cells[0] if any(row[name] for row in cells)]
    return columns, [tuple(row[name] for name in columns) for row in cells]


def _other(one: Spot) -> str:
    if one.other_line is None:
        return ""
    return f"{Path(one.other_file).name} {one.other_line}" if one.other_file else str(one.other_line)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
