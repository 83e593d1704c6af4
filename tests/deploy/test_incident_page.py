"""Every command on the page for incidents can be given as it stands there."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from deploy.docs.cli_page import commands
from postil.gateway.cli.main import make_cli
from tests.deploy.parsed import parsed
from tests.support.paths import ROOT

PAGE = ROOT / "deploy" / "docs" / "incident.md"
LINES = re.findall(r"^    postil (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
NAMED = re.findall(r"`postil ([a-z -]+?)`", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_page_is_one_with_these_options(line: str) -> None:
    assert not hasattr(parsed(shlex.split(line), typer.main.get_command(make_cli())), "commands")


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_a_command_that_the_page_names_is_there(name: str) -> None:
    assert f"postil {name}" in {known for known, _ in commands()}


def test_the_page_has_every_kind_of_incident_with_commands() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(sections) == 6
    assert all("\n    postil " in section for section in sections)
