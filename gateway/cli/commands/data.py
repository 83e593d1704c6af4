"""``postil data check | export``: training data, before it is learned from and from what people decided.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.commands import reviews
from postil.gateway.cli.output import AsJson, console, print_json_text, print_table
from postil.gateway.settings import read_settings

if TYPE_CHECKING:
    from postil.registry.training.data.report import DataFinding, DataReport, Spot

_SHOWN = 10
Data = Annotated[Path, typer.Argument(help="Training data of any known form: JSON lines, CSV or Parquet.")]
Threshold = Annotated[
    float, typer.Option(min=0.1, max=1, help="Likeness from which two texts count as near, 0.1 to 1.")
]


def make_cli() -> typer.Typer:
    """Return the `data` command group."""
    cli = typer.Typer(help="Training data: check it, and export what people decided.", no_args_is_help=True)
    cli.callback()(lambda: None)
    cli.command()(check)
    cli.command()(reviews.export)
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
