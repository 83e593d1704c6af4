"""``postil serve``: starts a gateway, shows its progress, and stops it on Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from postil.gateway.cli.output import complaints
from postil.gateway.settings import read_settings


def serve(
    demo: Annotated[bool, typer.Option("--demo", help="Add the demo: three domains with adapters and keys.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on (POSTIL_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (POSTIL_PORT).")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of worker processes (POSTIL_WORKERS).")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder that holds all data (POSTIL_HOME).")] = None,
    plugins_dir: Annotated[
        Path | None, typer.Option(help="Folder of plugins, one file each (POSTIL_PLUGINS_DIR).")
    ] = None,
) -> None:
    """Start the gateway: run vLLM with the base model, load the live adapters, serve the OpenAI API."""
    settings = read_settings(
        demo=demo or None, host=host, port=port, workers=workers, home=home, plugins_dir=plugins_dir
    )
    # Imported here because only a gateway needs it and it is slow.
    from postil.gateway.server.self_test import check_libraries

    check_libraries()
    if settings.engine_url is None:
        _check_engine()
    from postil.gateway.cli.run_server import run

    sys.exit(run(settings))


def _check_engine() -> None:
    """Say before anything is prepared what is wrong with the vLLM that is installed. Raises SettingsError."""
    from postil.gateway.engine.process.launch_args import check_engine

    if line := check_engine():
        complaints().print(f"warning: {line}")
