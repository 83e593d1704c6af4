"""``postil plugins``, ``postil plugins check`` and ``postil plugins new``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from postil.gateway.cli.api_client import CommandError, call_list, connected
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    console,
    print_table,
    show_list,
)
from postil.gateway.cli.scaffold import Kind, write_plugin
from postil.gateway.settings import read_settings


def make_cli() -> typer.Typer:
    """Return the `plugins` command group, which lists by default."""
    cli = typer.Typer(help="List and check plugins, or create a new one.", invoke_without_command=True)
    cli.callback()(list_plugins)
    cli.command()(check)
    cli.command()(new)
    return cli


def list_plugins(
    context: typer.Context, limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False
) -> None:
    """List the installed plugins; `new` makes a package for your own. JSON: `{"data": [...], "next": ...}`."""
    if context.invoked_subcommand is not None:
        return
    with connected() as client:
        found = call_list(client, "/api/v1/plugins", {}, 0 if all_ else limit)
    rows = [
        (
            component["kind"],
            component["name"],
            component["version"],
            _source(component),
            "apart" if component["runs_apart"] else "here",
            _sees(component),
            ", ".join(component["config_schema"].get("properties", {})),
        )
        for component in found.data
    ]
    columns = ["kind", "name", "version", "plugin", "runs", "sees", "configuration"]
    show_list(found, columns, rows, empty="no plugins are installed", as_json=as_json)


def check(
    plugins_dir: Annotated[Path | None, typer.Option(help="Folder of plugins, as for `postil serve`.")] = None,
) -> None:
    """Load every installed plugin in a separate process and report those that fail. Needs no gateway."""
    from postil.plugins.manager import PluginManager

    plugins = PluginManager(folder=read_settings(plugins_dir=plugins_dir).plugins_dir, lenient=True)
    rows = [
        (info.kind, info.name, info.version, info.plugin)
        for info in plugins.list_components()
        if not plugins.is_builtin(plugins.component(info.kind, info.name))
    ]
    print_table(["kind", "name", "version", "plugin"], rows, empty="no plugins are installed")
    if plugins.problems:
        raise CommandError("; ".join(plugins.problems))


def new(
    name: Annotated[str, typer.Argument(help="Name of the package, such as legal-citations.")],
    kind: Annotated[Kind, typer.Option(help="What the plugin does.")] = Kind.VALIDATOR,
    folder: Annotated[Path, typer.Option("--dir", help="Where to make the package's folder.")] = Path(),
) -> None:
    """Create an installable package with a plugin, its tests and a README. Needs no gateway."""
    made = write_plugin(name, kind, folder)
    console().print(Text(f"made {made}; now `cd {made}`, `pip install -e .` and `pytest`"))


def _source(component: Mapping[str, Any]) -> str:
    """Return the plugin's module, and the package or file that provides it."""
    if component["distribution"] is None:
        return str(component["plugin"])
    return f"{component['plugin']} ({component['distribution']} {component['distribution_version']})"


def _sees(component: Mapping[str, Any]) -> str:
    """Return how much of a stream a validator has to see at once."""
    if "window" not in component:
        return ""
    if component["window_by_configuration"]:
        return "by configuration"
    return "the whole answer" if component["window"] is None else f"{component['window']} characters"
