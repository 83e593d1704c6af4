"""Runs a command in this process, in a thread beside the gateway: many arguments are tried in the time of one start."""

from __future__ import annotations

import asyncio

from typer.testing import CliRunner

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.main import make_cli
from postil.gateway.errors import SettingsError
from postil.gateway.telemetry.terminal import visible
from postil.plugins.errors import PluginError
from postil.registry.errors import RegistryError
from tests.gateway.conftest import House

_TOLD = (CommandError, RegistryError, SettingsError, PluginError)


async def in_process(house: House | None, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Return the exit status, what the command said, and its complaints."""
    known: dict[str, str | None] = {"POSTIL_URL": None, "POSTIL_KEY": None, **environment}
    if house is not None:
        known |= {"POSTIL_URL": house.url, "POSTIL_KEY": house.admin_key}
    result = await asyncio.to_thread(CliRunner().invoke, make_cli(), arguments, env=known)
    if isinstance(result.exception, _TOLD):
        return 1, result.stdout, f"{result.stderr}error: {visible(str(result.exception))}\n"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr
