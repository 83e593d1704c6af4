"""``postil plugins``: what there is, and a package for what there is not yet."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from pathlib import Path

import pytest

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.scaffold import Kind, write_plugin
from tests.fakes.vllm import FakeVLLM
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House, running_house
from tests.support.paths import ROOT

BIN = Path(sys.executable).parent
SINGLE = """
from postil.plugins import TOKEN, Validator, Verdict, hookimpl

class Quiet(Validator):
    name, version, scope = "quiet", "7", TOKEN

    def judge(self, exchange, completion):
        return Verdict.passed()

@hookimpl
def postil_validators():
    return [Quiet]
"""


async def run(*command: str, folder: Path, **environment: str) -> tuple[int, str]:
    """Run a program: its exit status, and all that it says."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 240)
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_the_list_says_what_each_is_and_where_it_comes_from(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    folder = tmp_path / "single"
    folder.mkdir()
    (folder / "quiet.py").write_text(SINGLE)
    async with running_house(tmp_path, *engine_at, plugins_dir=folder) as house:
        components = {row["name"]: row for row in json.loads((await postil(house, "plugins", "--json"))[1])["data"]}
        _, table, _ = await postil(house, "plugins")
    quiet, labels = components["quiet"], components["labels"]
    assert (quiet["kind"], quiet["version"], quiet["window"], quiet["window_by_configuration"]) == (
        "validator",
        "7",
        1,
        False,
    )
    assert (quiet["distribution"], quiet["runs_apart"], quiet["plugin"]) == (None, True, "postil_plugins_dir.quiet")
    assert (labels["distribution"], labels["runs_apart"], labels["window"]) == ("postil", False, None)
    assert labels["distribution_version"]
    assert "labels" in labels["config_schema"]["properties"]
    assert components["confidence"]["needs_tokens"] is True
    assert "window" not in components["fixed_answer"]
    lines = {line.split()[1]: " ".join(line.split()) for line in table.splitlines() if line.startswith("validator")}
    assert lines["quiet"] == "validator quiet 7 postil_plugins_dir.quiet apart 1 characters"
    assert "here the whole answer labels, field, reject" in lines["labels"]


async def test_a_new_plugin_needs_no_gateway_and_says_what_to_do_next(tmp_path: Path) -> None:
    status, out, complaints = await postil(None, "plugins", "new", "legal-citations", "--dir", str(tmp_path / "deep"))
    assert (status, complaints) == (0, "")
    made = f"{tmp_path}/deep/legal-citations"
    assert out == f"made {made}; now `cd {made}`, `pip install -e .` and `pytest`\n"


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_new_plugin_passes_its_own_tests_as_it_stands(kind: Kind, tmp_path: Path) -> None:
    place = write_plugin(f"postil-my-{kind}", kind, tmp_path)
    status, said = await run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=place)
    assert status == 0, said
    assert "passed" in said
    status, said = await run(str(BIN / "ruff"), "check", "--no-cache", ".", folder=place)
    assert status == 0, said
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    module = f"postil_my_{kind}".replace("-", "_")
    assert project["entry-points"] == {"postil": {module: module}}
    assert f'name = "my-{kind}"' in (place / "src" / module / "__init__.py").read_text()
    assert f"my-{kind}" in (place / "README.md").read_text()


async def test_new_plugins_are_typed(tmp_path: Path) -> None:
    places = [write_plugin(f"my-{kind}", kind, tmp_path) for kind in Kind]
    types = tmp_path / "types" / "postil"
    types.mkdir(parents=True)
    (types / "plugins").symlink_to(ROOT / "plugins")
    sources = os.pathsep.join(str(place / "src") for place in places)
    settings = "[mypy]\nstrict = true\nnamespace_packages = true\nexplicit_package_bases = true\n"
    (tmp_path / "mypy.ini").write_text(settings)
    files = [str(path) for place in places for path in sorted(place.rglob("*.py"))]
    status, said = await run(
        str(BIN / "mypy"),
        "--config-file",
        "mypy.ini",
        "--cache-dir",
        str(tmp_path / "cache"),
        *files,
        folder=tmp_path,
        MYPYPATH=os.pathsep.join([sources, str(types.parent)]),
    )
    assert status == 0, said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Legal", "'Legal' is not a package name; use lower-case letters"),
        ("legal-", "is not a package name"),
        ("../legal", "is not a package name"),
        ("1legal", "is not a package name"),
        ("a" * 90, "is not a package name"),
        ("json", "'json' is taken by Python, postil or the tests; choose another name"),
        ("class", "is taken by Python"),
        ("plugins", "is taken by"),
        ("postil-labels", "postil has a plugin called 'labels' itself"),
    ],
)
def test_a_name_that_would_not_work_is_refused(name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        write_plugin(name, Kind.VALIDATOR, tmp_path)
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "called"), [("verdict", "OurVerdict"), ("postil-24-hours", "Our24Hours")])
def test_a_name_that_is_a_word_of_the_contract_gets_another_class(name: str, called: str, tmp_path: Path) -> None:
    place = write_plugin(name, Kind.LISTENER, tmp_path)
    (module,) = place.rglob("__init__.py")
    assert f"class {called}(Listener)" in module.read_text()


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "legal").mkdir()
    with pytest.raises(CommandError, match="legal already exists; choose another name, or another --dir"):
        write_plugin("legal", Kind.GATE, tmp_path)
    assert list((tmp_path / "legal").iterdir()) == []


def test_a_place_where_nothing_can_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"cannot be made \(Not a directory\); choose another --dir"):
        write_plugin("legal", Kind.GATE, tmp_path / "file" / "below")


async def test_the_group_explains_itself(house: House) -> None:
    assert "--kind" in (await postil(None, "plugins", "new", "--help"))[1]
    assert "invalid" in (await postil(None, "plugins", "new", "legal", "--kind", "judge"))[2].lower()
