"""``postil policy schema | check``: work on policies without a gateway.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.output import console, print_json


def make_cli() -> typer.Typer:
    """Return the `policy` command group."""
    cli = typer.Typer(help="Check policies and print their JSON Schema. Needs no gateway.", no_args_is_help=True)
    cli.command()(schema)
    cli.command()(check)
    return cli


def schema() -> None:
    """Print the JSON Schema of policy.yaml for your editor, with the plugins installed here."""
    from postil.plugins.manager import PluginManager
    from postil.registry.policy.schema import policy_schema

    print_json(policy_schema(PluginManager()))


def check(
    file: Annotated[Path, typer.Argument(help="A policy, such as policy.yaml.")],
) -> None:
    """Check whether a policy is valid, as far as that is possible without an adapter."""
    from postil.plugins.manager import PluginManager
    from postil.registry.policy.policy import build, parse_policy

    try:
        text = file.read_bytes()
    except OSError as error:
        raise CommandError(f"the policy {file} cannot be read: {error}") from error
    built = build(parse_policy(text), PluginManager())
    parts = [
        (kind, [use.name for use, _ in uses])
        for kind, uses in (("input", built.inputs), ("validators", built.validators), ("fallback", built.fallbacks))
    ]
    says = "; ".join(f"{kind} {', '.join(names) or 'none'}" for kind, names in parts)
    console().print(Text(f"{file} is right: {says}"))
