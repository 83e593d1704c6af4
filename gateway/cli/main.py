"""The ``postil`` program: all commands."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from postil.gateway.cli.commands import (
    adapters,
    apply,
    audit,
    backup,
    channels,
    compare,
    compare_methods,
    curve,
    data,
    demo,
    diff,
    domains,
    evaluate,
    export,
    gc,
    history,
    improve,
    jobs,
    keys,
    lineage,
    plugins,
    policy,
    publish,
    releases,
    reviews,
    serve,
    status,
    tenants,
    train,
    train_router,
    try_release,
    usage,
    verify,
    webhooks,
    yank,
)
from postil.gateway.cli.failures import exit_status
from postil.gateway.cli.output import console


def make_cli() -> typer.Typer:
    """Return the whole command tree."""
    cli = typer.Typer(
        name="postil",
        help="Registry and serving gateway for LoRA adapters over one frozen base model in vLLM.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog="Settings come from POSTIL_* variables or postil.toml; POSTIL_URL says which gateway to talk to.",
    )
    cli.callback()(_options)
    cli.command()(serve.serve)
    cli.command()(publish.publish)
    cli.command()(apply.apply)
    cli.command()(export.export)
    cli.command()(releases.promote)
    cli.command()(releases.rollback)
    cli.command()(yank.yank)
    cli.command()(yank.unyank)
    cli.add_typer(adapters.make_releases_cli(), name="releases")
    cli.add_typer(adapters.make_cli(), name="adapters")
    for command in (channels.canary, channels.shadow, channels.agreement, channels.evidence):
        cli.command()(command)
    cli.command()(channels.pin)
    cli.command()(channels.unpin)
    cli.command()(backup.backup)
    cli.command()(backup.restore)
    cli.command()(diff.diff)
    cli.command()(gc.gc)
    cli.command(context_settings=train.NAMES)(train.train)
    cli.command()(train_router.train_router)
    cli.command()(evaluate.evaluate)
    cli.command()(compare.compare)
    cli.command()(compare_methods.compare_methods)
    cli.command()(curve.curve)
    cli.command("try")(try_release.try_release)
    cli.command()(verify.verify)
    cli.command()(improve.improve)
    cli.command()(lineage.lineage)
    cli.add_typer(jobs.make_cli(), name="jobs")
    cli.add_typer(tenants.make_cli(), name="tenants")
    cli.add_typer(keys.make_cli(), name="keys")
    cli.command()(usage.usage)
    cli.add_typer(domains.make_cli(), name="domains")
    cli.add_typer(policy.make_cli(), name="policy")
    cli.add_typer(reviews.make_cli(), name="reviews")
    cli.add_typer(data.make_cli(), name="data")
    cli.add_typer(demo.make_cli(), name="demo")
    cli.add_typer(webhooks.make_cli(), name="webhooks")
    cli.command()(history.log)
    cli.add_typer(audit.make_cli(), name="audit")
    cli.command()(status.status)
    cli.add_typer(plugins.make_cli(), name="plugins")
    return cli


def _print_version(wanted: bool) -> None:
    if wanted:
        console().print(f"postil {metadata.version('postil')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options of the program itself."""


def run() -> None:
    """Run the program (its entry point)."""
    sys.exit(exit_status(make_cli()))
