"""``postil policy schema | check | test``: work on policies without a gateway.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.commands.policy_test import run_cases
from postil.gateway.cli.output import console, print_json

if TYPE_CHECKING:
    from postil.registry.policy.policy import Policy


def make_cli() -> typer.Typer:
    """Return the `policy` command group."""
    cli = typer.Typer(
        help="Check and test policies, and print their JSON Schema. Needs no gateway.", no_args_is_help=True
    )
    cli.command()(schema)
    cli.command()(check)
    cli.command("test")(run_cases)
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
    from postil.registry.policy.own_answers import check_own_answers
    from postil.registry.policy.policy import build, parse_policy
    from postil.registry.policy.publishable import check_publishable, policy_warnings

    try:
        text = file.read_bytes()
    except OSError as error:
        raise CommandError(f"the policy {file} cannot be read: {error}") from error
    policy = parse_policy(text)
    check_publishable(policy)
    _compile(policy)
    plugins = PluginManager()
    built = build(policy, plugins)
    check_own_answers(policy, built, plugins)
    parts = [
        (kind, [use.name for use, _ in uses])
        for kind, uses in (("input", built.inputs), ("validators", built.validators), ("fallback", built.fallbacks))
    ]
    says = "; ".join(f"{kind} {', '.join(names) or 'none'}" for kind, names in parts)
    console().print(Text(f"{file} is right: {says}"))
    for warning in policy_warnings(policy):
        console().print(Text(f"warning: {warning}"))


def _compile(policy: Policy) -> None:
    """Have the constraint compiled as a gateway would, where vLLM's compiler and the base model are on this machine."""
    import asyncio

    from postil.gateway.engine.grammar_trial import GrammarTrial
    from postil.gateway.settings import read_settings
    from postil.registry.base_model.prepare import local_folder

    settings = read_settings()
    base = local_folder(settings.base_model, settings.home)
    if base is not None and policy.output is not None:
        asyncio.run(GrammarTrial().compile(policy.output.constraint(), base))
