"""The documentation: generated pages are those of this code, and what pages name is there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy.docs.cli_page import commands, options
from deploy.docs.errors_page import errors
from deploy.docs.generate import REFERENCE, pages
from deploy.docs.hooks_page import hooks
from deploy.docs.http_page import application
from deploy.docs.policy_page import policy_fields
from deploy.docs.settings_page import OTHERS, variable
from postil.gateway.settings import Settings
from tests.support.paths import ROOT

NAMES = (
    "api_formats.md",
    "errors.md",
    "settings.md",
    "cli.md",
    "http-api.md",
    "hooks.md",
    "policy.md",
    "names.md",
    "request_fields.md",
    "metrics.md",
)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A file of ours: Python wherever it lies, else what lies in one of the folders at the root.
OURS = re.compile(r"(?:[\w.-]+/)*[\w-]+\.py|(?:gateway|registry|plugins|tests|deploy)/[\w./-]*")
TEST = re.compile(r"([\w./-]*)::(\w+)")
VARIABLE = re.compile(r"\bPOSTIL_[A-Z]+(?:_[A-Z]+)*\b")
# What tests and benchmarks read, and nobody else.
OF_TESTS = "POSTIL_TEST_"


@cache
def generated() -> dict[str, str]:
    """The pages as this code has them."""
    return dict(pages())


def markdown() -> list[Path]:
    """Every page of the repository."""
    found = list(ROOT.glob("*.md"))
    for folder in ("deploy", "plugins", "tests", "gateway", "registry"):
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def test_every_command_that_a_page_tells_to_run_is_there() -> None:
    known = {name.removeprefix("postil ") for name, _ in commands()}
    groups = {name.partition(" ")[0] for name in known if " " in name}
    for path in markdown():
        for words in re.findall(r"`postil ((?:[a-z][a-z-]* ?){1,2})", text_of(path)):
            said = words.split()
            is_there = " ".join(said) in known or said[0] in known or (len(said) == 1 and said[0] in groups)
            assert is_there, f"{shown(path)}: postil {words}"


def naming() -> list[Path]:
    """The pages whose files and tests are held against the tree."""
    return [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "deploy").rglob("*.md"))]


def shown(path: Path) -> str:
    """A page by its path in the repository."""
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_is_that_of_this_code(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == generated()[name], "it is out of date: run `make docs`"


def test_every_reference_is_generated() -> None:
    assert sorted(NAMES) == sorted(generated()) == sorted(path.name for path in REFERENCE.iterdir())


def test_every_setting_stands_in_the_reference_with_a_sentence() -> None:
    rows = [line.split(" | ") for line in generated()["settings.md"].splitlines() if line.startswith("| `POSTIL_")]
    said = {row[0].strip("| `"): row[-1].removesuffix(" |").strip() for row in rows}
    missing = [variable(name) for name in Settings.model_fields if not said.get(variable(name), "").endswith(".")]
    assert missing == []


def test_every_variable_that_the_code_names_stands_in_the_reference() -> None:
    known = {variable(name) for name in Settings.model_fields} | set(OTHERS)
    sources = [path for floor in ("gateway", "registry", "plugins") for path in (ROOT / floor).rglob("*.py")]
    named = {name for path in sources for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert named - known - {"POSTIL_PLUGIN"} == set()


def test_every_route_stands_in_the_reference() -> None:
    page = generated()["http-api.md"]
    missing = []
    for route in application().routes:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        methods = {*getattr(route, "methods", ())} - {"OPTIONS", "HEAD"} or {"POST"}
        if not path.startswith(("/api/v1/docs", "/console")):  # Pages for people, which the console.md tells of.
            missing += [f"{method} {path}" for method in methods if f"| `{method} {path}` |" not in page]
    assert missing == []


def test_every_command_and_option_stands_in_the_reference() -> None:
    page = generated()["cli.md"]
    for name, command in commands():
        _, _, rest = page.partition(f"## `{name}")
        section = rest.partition("\n## ")[0]
        assert section, name
        assert [one.name for one in options(command) if f"`{one.opts[0]}`" not in section and "--" in one.opts[0]] == []


def test_every_error_stands_in_the_reference_with_when_it_is_given() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    parents = dict(re.findall(r"^class (\w+)\((\w+)\):", sources, re.MULTILINE))
    known = {"GatewayError"}
    while more := {name for name, parent in parents.items() if parent in known} - known:
        known |= more
    page = generated()["errors.md"]
    assert {error.__name__ for error in errors()} == known
    assert [error.__name__ for error in errors() if not error.__doc__ or f"| `{error.__name__}` |" not in page] == []
    top = re.findall(r"^[├└]── (\w+)", page, re.MULTILINE)
    assert top == sorted(name for name, parent in parents.items() if parent == "GatewayError")


def test_every_hook_stands_in_the_reference_and_in_the_guide() -> None:
    guide = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
    assert hooks()
    assert [name for name in hooks() if f"`{name}`" not in generated()["hooks.md"] or name not in guide] == []


def test_every_field_of_a_policy_stands_in_the_reference_with_what_it_does() -> None:
    own = generated()["policy.md"].partition("\n# What comes with postil")[0]
    rows = {line.split("`")[1]: line for line in own.splitlines() if line.startswith("| `")}
    assert [name for name in policy_fields() if rows.get(name, "|  |").endswith("|  |")] == []


def test_no_action_of_the_log_is_unresolved() -> None:
    section = generated()["names.md"].partition("## Event actions")[2].partition("## ")[0]
    assert "promote" in section
    assert "<" not in section


@pytest.mark.parametrize("path", markdown(), ids=shown)
def test_a_link_points_to_a_file_and_to_a_heading_in_it(path: Path) -> None:
    assert [link for link in _links(path) if not _leads_somewhere(path, *link)] == []


@pytest.mark.parametrize("path", naming(), ids=shown)
def test_a_file_or_test_that_is_named_exists(path: Path) -> None:
    assert list(_gone(path)) == []


@pytest.mark.parametrize("path", [*markdown()], ids=shown)
def test_a_variable_that_is_named_exists(path: Path) -> None:
    known = {variable(name) for name in Settings.model_fields} | set(OTHERS) | {"POSTIL_PLUGIN"}
    named = set(VARIABLE.findall(path.read_text(encoding="utf-8")))
    assert {name for name in named - known if not name.startswith(OF_TESTS)} == set()


def test_the_contributing_page_has_the_layers_of_the_contracts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    page = " ".join((ROOT / "deploy" / "docs" / "contributing.md").read_text(encoding="utf-8").split())
    layers = {
        contract["containers"][0]: " > ".join(contract["layers"])
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and "containers" in contract
    }
    assert f"gateway/ {layers['postil.gateway']}" in page
    assert f"registry/ {layers['postil.registry']}" in page


@pytest.mark.parametrize("floor", ["gateway", "registry"])
def test_the_contributing_page_has_a_paragraph_for_each_room(floor: str) -> None:
    page = (ROOT / "deploy" / "docs" / "contributing.md").read_text(encoding="utf-8")
    rooms = sorted(path.parent.name for path in (ROOT / floor).glob("*/__init__.py"))
    assert [room for room in rooms if f"\n- **`{floor}/{room}/`**" not in page] == []


def test_every_decision_stands_in_the_index() -> None:
    folder = ROOT / "deploy" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(path.name for path in folder.glob("0*.md"))
    assert [name for name in records if f"]({name})" not in index] == []
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "docs" / "pictures").glob("*.svg")), ids=shown)
def test_a_drawn_picture_tells_what_it_shows_has_dark_colours_and_loads_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    drawn = ElementTree.fromstring(text)
    named = {name: drawn.findtext(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc")}
    assert all(named.values())
    assert "@media (prefers-color-scheme: dark)" in text
    assert [word for word in ("<script", "href=", "@import", "<foreignObject") if word in text] == []


def _links(page: Path) -> list[tuple[str, str]]:
    """Where a page points to within the repository: file and heading, either of which may be empty."""
    return [link for link in LINK.findall(text_of(page)) if "://" not in link[0]]


def _leads_somewhere(page: Path, link: str, heading: str) -> bool:
    target = page.parent / link if link else page
    if not target.exists():
        return False
    return not heading or heading in [_anchor(found) for found in HEADING.findall(text_of(target))]


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _gone(page: Path) -> Iterator[str]:
    """What a page names that is not there. ``::name`` is a test of the file that was named last."""
    last: Path | None = None
    for code in CODE.findall(text_of(page)):
        test = TEST.fullmatch(code)
        name = test[1] if test else code.removesuffix("/")
        if name and (test or OURS.fullmatch(code)):
            last = _found(name, page)
            if last is None:
                yield code
        if test and last is not None and f"def {test[2]}(" not in last.read_text(encoding="utf-8"):
            yield code


def _found(name: str, page: Path) -> Path | None:
    """The file or folder of that name: from the root, below ``tests``, or beside the page."""
    places = [folder / name for folder in (ROOT, ROOT / "tests", page.parent)]
    return next((place for place in places if place.exists()), None)
