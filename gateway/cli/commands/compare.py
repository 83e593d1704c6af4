"""``postil compare``: two adapters on the same rows.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.commands.evaluate import Base, Where
from postil.gateway.cli.commands.train import explained, prepared_base
from postil.gateway.cli.comparison_display import show_comparison
from postil.gateway.cli.local_releases import adapter_folders, held_out_uses
from postil.gateway.cli.output import AsJson, complaints, print_json_text
from postil.gateway.settings import read_settings
from postil.registry.fsutil import private_files

if TYPE_CHECKING:
    from postil.registry.training.compare_adapters import AdapterComparison, Margins

_POINTS = 100.0


def compare(
    before: Annotated[str, typer.Argument(help="A release such as healthcare/triage@2, or an adapter's folder.")],
    after: Annotated[str, typer.Argument(help="The one that may take its place.")],
    data: Annotated[Path, typer.Option(help="Examples that neither was trained on.")],
    margin: Annotated[
        float, typer.Option(min=0.01, max=_POINTS, help="How many points of accuracy lower AFTER may be.")
    ] = 1.0,
    label: Annotated[
        list[str] | None,
        typer.Option(help="A label that counts by itself, with its own margin: symptoms=3. May be given again."),
    ] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="How sure the verdict is.")] = 0.95,
    base: Base = None,
    device: Where = "auto",
    as_json: AsJson = False,
) -> None:
    """Answer the same rows with two adapters. Exits with 1 unless AFTER is shown to be not worse.

    Releases are read from the registry in POSTIL_HOME, which may be in use. Nothing is stored.
    """
    with explained():
        margins = _margins(margin, label or (), confidence)
        found = _compared(before, after, data, base, margins, device)
    if as_json:
        print_json_text(found.model_dump_json(indent=2))
    else:
        show_comparison(found)
    raise typer.Exit(0 if found.not_worse else 1)


def _compared(
    before: str, after: str, data: Path, base: str | None, margins: Margins, device: Where
) -> AdapterComparison:
    from postil.registry.training.compare_adapters import compare_adapters
    from postil.registry.training.progress import Count

    if before == after:
        raise CommandError(f"{before} is compared with itself; name two adapters")
    with adapter_folders([before, after]) as folders, Count(complaints()) as count, private_files():
        adapters = dict(zip((before, after), folders, strict=True))
        window = read_settings().window
        found = compare_adapters(adapters, data, prepared_base(base), margins, count, device=device, window=window)
    return found.model_copy(update={"held_out_uses": held_out_uses((before, after), found.data["digest"])})


def _margins(overall: float, labels: Sequence[str], confidence: float) -> Margins:
    """Read margins in points. Raises CommandError."""
    from postil.registry.training.compare_adapters import Margins

    read: dict[str, float] = {}
    for given in labels:
        name, _, points = given.rpartition("=")
        try:
            read[name] = float(points) / _POINTS
        except ValueError:
            read[name] = 0.0
        if not name or not 0 < read[name] <= 1:
            raise CommandError(f"--label {given!r} is no label with a margin in points; write it as symptoms=3")
    return Margins(overall / _POINTS, read, confidence)
