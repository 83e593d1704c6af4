"""Files for those who contribute: their checks are the Makefile's, and forms are ones that GitHub shows."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.support.paths import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_the_checks_before_a_commit_are_those_of_make_check_but_for_the_one_that_asks_a_network() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck:")[2].partition("\n\n")[0]
    commands = [line.strip("\t@").replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()[1:]]
    assert [hook["entry"] for hook in local["hooks"]] == [one for one in commands if "audit.py" not in one]
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in local["hooks"])


@pytest.mark.parametrize("path", [form for form in FORMS if form.stem != "config"], ids=lambda path: str(path.stem))
def test_a_form_for_issues_has_a_name_a_description_and_fields_with_labels(path: object) -> None:
    form = yaml.safe_load((ROOT / str(path)).read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    assert all(field["attributes"]["label"] and field["id"] for field in form["body"])
    assert len({field["id"] for field in form["body"]}) == len(form["body"])


def test_every_command_of_the_makefile_is_one_that_help_lists() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert sorted(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)) == sorted(phony.split())
