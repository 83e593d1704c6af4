"""A wheel is held against the repository, so that nothing is left out of a release unnoticed."""

from __future__ import annotations

import zipfile
from pathlib import Path

from deploy.release.make_release import missing, tracked
from tests.support.paths import ROOT

FILES = ["gateway/a.py", "plugins/examples/b.py", "plugins/README.md", "deploy/demo/c.jsonl", "tests/test_d.py"]


def wheel(folder: Path, *names: str) -> Path:
    path = folder / "a.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


def test_a_wheel_with_every_file_of_its_packages_lacks_nothing(tmp_path: Path) -> None:
    assert missing(wheel(tmp_path, "postil/gateway/a.py", "postil/demo/c.jsonl"), FILES) == []


def test_a_file_that_is_left_out_is_named(tmp_path: Path) -> None:
    assert missing(wheel(tmp_path, "postil/gateway/a.py"), FILES) == ["deploy/demo/c.jsonl"]


def test_files_of_the_repository_are_those_that_git_knows() -> None:
    names = tracked(ROOT)
    assert "gateway/cli/main.py" in names
    assert not [name for name in names if name.startswith((".venv/", "build/"))]
