"""The structure of the code: rooms, the direction of imports, and names that are gone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# Class names that nobody outside could guess; what they stood for is called otherwise now.
OLD_NAMES = frozenset(
    [
        "Access",
        "Admission",
        "Answering",
        "Apart",
        "Around",
        "Book",
        "Clearance",
        "Damage",
        "Desk",
        "Exchange",
        "Finding",
        "Flow",
        "Happening",
        "Judgement",
        "Keeper",
        "LocalSeat",
        "LocalSeats",
        "Meter",
        "Metered",
        "Needed",
        "Offer",
        "Only",
        "Openings",
        "Panel",
        "Passing",
        "Pulse",
        "Purse",
        "Question",
        "Recipe",
        "Refusals",
        "RemoteSeat",
        "RemoteSeats",
        "Residency",
        "Seat",
        "Seats",
        "Servable",
        "Slot",
        "Ticket",
        "Trace",
        "Turns",
        "Unkept",
        "Unseen",
        "Vetted",
        "Word",
    ]
)
GATEWAY = {
    "api",
    "cli",
    "control",
    "engine",
    "inference",
    "plugin_host",
    "server",
    "settings",
    "telemetry",
    "tenancy",
}
REGISTRY = {
    "jobs",
    "accounts",
    "artifacts",
    "base_model",
    "db",
    "policy",
    "preflight",
    "releases",
    "reviews",
    "signing",
    "training",
}


def rooms(floor: str) -> set[str]:
    """The folders of a floor."""
    return {path.name for path in (ROOT / floor).iterdir() if path.is_dir() and (path / "__init__.py").exists()}


def files(floor: str) -> set[str]:
    """The modules that lie beside the rooms."""
    return {path.stem for path in (ROOT / floor).glob("*.py")} - {"__init__"}


def sources() -> list[Path]:
    """Every Python file of the product and its tests."""
    floors = ("gateway", "registry", "plugins", "tests", "deploy")
    return [path for floor in floors for path in sorted((ROOT / floor).rglob("*.py"))]


def test_the_gateway_has_ten_rooms_and_four_files() -> None:
    assert (rooms("gateway"), files("gateway")) == (GATEWAY, {"errors", "fair_slots", "ipc", "threads"})


def test_the_registry_has_eleven_rooms() -> None:
    assert rooms("registry") == REGISTRY


def test_every_import_goes_down_and_none_goes_back() -> None:
    """The contracts stand in pyproject.toml."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout


def test_every_room_says_what_it_is_for() -> None:
    silent = [
        path
        for floor in ("gateway", "registry", "plugins")
        for path in (ROOT / floor).rglob("__init__.py")
        if "versions" not in path.parts
        and "examples" not in path.parts
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_class_has_a_name_that_was_given_up(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name in OLD_NAMES] == []


@pytest.mark.parametrize("folder", ["gateway", "registry", "plugins"])
def test_tests_stand_where_what_they_test_stands(folder: str) -> None:
    """A folder of tests has the name of a room, but for what belongs to no room: crashes, and shared plugins."""
    aside = {"crash", "folder"}
    tested = {
        path.parent.relative_to(ROOT / "tests")
        for path in (ROOT / "tests" / folder).rglob("test_*.py")
        if not aside & set(path.parts)
    }
    assert [str(one) for one in sorted(tested) if not (ROOT / one).is_dir()] == []
