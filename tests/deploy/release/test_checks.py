"""What stands in the way of a release is said before anything is built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.release.checks import changes_of, faults, version_of
from tests.support.paths import ROOT

CHANGES = "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- Something new.\n\n## 0.1.0 (2026-11-01)\n\n- The first.\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository that is ready for its 0.2.0."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def test_nothing_stands_in_the_way_of_a_repository_that_is_ready(repository: Path) -> None:
    assert list(faults(repository)) == []


def test_the_notes_are_the_changelogs_section_of_the_version(repository: Path) -> None:
    assert changes_of(repository, "0.2.0") == "- Something new."
    assert changes_of(repository, "0.3.0") == ""


def test_a_file_that_is_not_committed_stands_in_the_way(repository: Path) -> None:
    (repository / "more.txt").write_text("x")
    assert list(faults(repository)) == ["the working tree has changes; commit or remove them"]


def test_a_tag_that_is_there_stands_in_the_way(repository: Path) -> None:
    git(repository, "tag", "v0.2.0")
    assert list(faults(repository)) == ["the tag v0.2.0 is there already; raise the version in pyproject.toml"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ("# Changelog\n", "the newest section of CHANGELOG.md is not of 0.2.0; begin it with `## 0.2.0 (YYYY-MM-DD)`"),
        (CHANGES.replace("0.2.0", "0.3.0"), "the newest section of CHANGELOG.md is not of 0.2.0"),
        (CHANGES.replace("2026-12-01", "unreleased"), "CHANGELOG.md says that 0.2.0 is unreleased"),
        (CHANGES.replace("- Something new.", ""), "CHANGELOG.md says nothing about 0.2.0"),
    ],
)
def test_a_changelog_that_does_not_tell_of_the_version_stands_in_the_way(
    repository: Path, changes: str, fault: str
) -> None:
    (repository / "CHANGELOG.md").write_text(changes)
    assert any(said.startswith(fault) for said in faults(repository))


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0rc1", "01.2.0"])
def test_a_version_of_another_form_stands_in_the_way(repository: Path, version: str) -> None:
    (repository / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    assert f"pyproject.toml has the version {version}; write it as MAJOR.MINOR.PATCH" in list(faults(repository))


def test_this_repository_has_a_version_and_says_what_changed() -> None:
    assert changes_of(ROOT, version_of(ROOT))
