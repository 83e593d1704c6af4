"""A library that lost what postil uses of it is named at start, in one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.server.self_test import INTERNALS, SUPPORTED, UNIMPORTED, Internal, check, check_libraries, outline
from tests.support.paths import ROOT

WITH_PARAMETERS = [each for each in INTERNALS if each.takes]


def named(internal: Internal) -> str:
    return internal.attribute


def refusal(internal: Internal, module: Any) -> str:
    """What is said of it where its module is another."""
    with pytest.raises(SettingsError) as told:
        check([internal], lambda _: module)
    return str(told.value)


def without(*methods: str, owner: str, **others: Any) -> SimpleNamespace:
    """A module whose class has nothing but these."""
    return SimpleNamespace(**{owner: type(owner, (), {**dict.fromkeys(methods), **others})})


def test_the_libraries_that_are_installed_have_all_of_it() -> None:
    check_libraries()


@pytest.mark.parametrize("internal", [each for each in (*INTERNALS, *UNIMPORTED) if "__init__" not in each.attribute],
                         ids=named)  # fmt: skip
def test_a_name_that_is_gone_is_named_with_its_library_and_the_versions_that_have_it(internal: Internal) -> None:
    said = refusal(internal, without(owner=internal.attribute.split(".")[0]))
    assert said == (
        f"{internal.library} {version(internal.library)} has no {internal.module}.{internal.attribute}, which"
        f" {internal.used_by} needs; install {internal.library}{SUPPORTED[internal.library]}"
    )


@pytest.mark.parametrize("internal", [*INTERNALS, *UNIMPORTED], ids=named)
def test_a_class_that_is_gone_is_named(internal: Internal) -> None:
    owner = internal.attribute.split(".")[0]
    assert f" has no {internal.module}.{owner}, which " in refusal(internal, SimpleNamespace())


@pytest.mark.parametrize("internal", WITH_PARAMETERS, ids=named)
def test_a_parameter_that_is_gone_is_named(internal: Internal) -> None:
    owner, name = internal.attribute.split(".")
    module = without(owner=owner, **{name: lambda self: None})
    assert f"{internal.attribute} with the parameter {internal.takes[0]}, which" in refusal(internal, module)


def test_a_module_that_is_gone_is_named() -> None:
    gone = Internal("uvicorn", "uvicorn.is_not_here", "A.b", "nobody")
    for load in (__import__, outline):
        with pytest.raises(SettingsError, match=r"has no uvicorn\.is_not_here, which nobody needs; install uvicorn>="):
            check([gone], load)


def test_a_package_that_is_gone_is_named() -> None:
    gone = Internal("uvicorn", "no_such_package.at_all", "A.b", "nobody")
    with pytest.raises(SettingsError, match=r"has no no_such_package\.at_all"):
        check([gone], outline)


def test_the_versions_in_the_sentence_are_those_that_are_required() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {f"{library}{versions}" for library, versions in SUPPORTED.items()} <= set(required)
    assert {internal.library for internal in (*INTERNALS, *UNIMPORTED)} == set(SUPPORTED)


def test_to_look_takes_milliseconds_and_imports_nothing_slow() -> None:
    code = """
import sys
import postil.gateway.cli.main, postil.gateway.cli.run_server
from postil.gateway.server.self_test import check_libraries
before = set(sys.modules)
check_libraries()
assert "model_signing" not in sys.modules
assert set(sys.modules) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    began = time.process_time()
    check_libraries()
    assert time.process_time() - began < 0.25
