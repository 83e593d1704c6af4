"""The bridge to Guardrails AI: a stand-in of its interface where it is not installed, and itself where it is."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postil.plugins import Completion, ConfigError, RequestContext, Span, Validator
from postil.plugins.builtin.guardrails import Guardrails
from tests.plugins.windows import judged

INSTALLED = importlib.util.find_spec("guardrails") is not None
# What the bridge uses of the real package, by the names and shapes that it has there.
STAND_IN = """
from types import SimpleNamespace

class PassResult(SimpleNamespace):
    outcome = "pass"

class FailResult(SimpleNamespace):
    outcome, error_spans, fix_value = "fail", None, None

ErrorSpan = SimpleNamespace

class Validator:
    def __init__(self, on_fail=None, **kwargs):
        self.on_fail = on_fail

    def validate(self, value, metadata):
        return self._validate(value, metadata)

def register_validator(name, data_type):
    return lambda validator: validator
"""
# A validator as somebody would write it for Guardrails AI.
NO_CURES = """
from guardrails.validator_base import ErrorSpan, FailResult, PassResult, Validator, register_validator

@register_validator(name="test/no_cures", data_type="string")
class NoCures(Validator):
    def __init__(self, word="cure", on_fail=None, **kwargs):
        super().__init__(on_fail=on_fail, word=word, **kwargs)
        self._word = word

    def _validate(self, value, metadata):
        if value == "odd":
            return None
        at = value.find(metadata.get("word", self._word))
        if at < 0:
            return PassResult()
        span = ErrorSpan(start=at, end=at + len(self._word), reason="promise")
        return FailResult(error_message=f"promises a {self._word}", fix_value="gone", error_spans=[span])

class Bare(NoCures):
    def _validate(self, value, metadata):
        return FailResult(error_message="x" * 1000)

def not_a_class():
    pass
"""
PATH = "guardrails_ai.no_cures:NoCures"


def install(folder: Path, *, stand_in: bool) -> None:
    """Lay the validator's package, and if asked the stand-in, where Python looks."""
    (folder / "guardrails_ai").mkdir()
    (folder / "guardrails_ai" / "no_cures.py").write_text(NO_CURES)
    if stand_in:
        (folder / "guardrails").mkdir()
        (folder / "guardrails" / "__init__.py").write_text("")
        (folder / "guardrails" / "validator_base.py").write_text(STAND_IN)


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.skipif(not INSTALLED, reason="not here"))])
def guardrails(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Python in which guardrails and a validator are installed, and none of it left behind."""
    if INSTALLED and request.param == "stand-in":
        pytest.skip("the real one is installed")
    install(tmp_path, stand_in=request.param == "stand-in")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("guardrails", "guardrails_ai")]:
        if request.param == "stand-in" or name == "guardrails_ai.no_cures":
            del sys.modules[name]


def bridge(**config: object) -> Validator:
    made: Validator = Guardrails.from_mapping({"validator": PATH, **config})
    return made


@pytest.mark.usefixtures("guardrails")
def test_what_the_validator_fails_fails_with_its_message_and_spans() -> None:
    verdict = judged(bridge(), Completion("it will cure you"))
    assert (verdict.ok, verdict.reason, verdict.spans) == (False, "promises a cure", (Span(8, 12),))
    assert judged(bridge(), Completion("take a rest")).ok


@pytest.mark.usefixtures("guardrails")
def test_arguments_and_metadata_are_handed_on() -> None:
    assert not judged(bridge(arguments={"word": "heal"}), Completion("it will heal you")).ok
    assert not judged(bridge(metadata={"word": "mend"}), Completion("it will mend you")).ok


@pytest.mark.usefixtures("guardrails")
def test_a_message_is_cut_short_or_said_by_the_policy() -> None:
    bare = "guardrails_ai.no_cures:Bare"
    verdict = judged(bridge(validator=bare), Completion("any"))
    assert (len(verdict.reason), verdict.spans) == (200, ())
    assert judged(bridge(validator=bare, reason="a promise"), Completion("any")).reason == "a promise"


@pytest.mark.usefixtures("guardrails")
def test_no_result_is_no_verdict(context: RequestContext) -> None:
    with pytest.raises(TypeError, match="it returned NoneType, which is no result"):
        bridge().judge(context, Completion("odd"))


@pytest.mark.usefixtures("guardrails")
@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"validator": "guardrails_ai.no_cures:Gone"}, "guardrails: guardrails_ai.no_cures has no Gone; look up how"),
        ({"validator": "guardrails_ai.no_cures:not_a_class"}, "guardrails: guardrails_ai.no_cures:not_a_class is no"),
        ({"validator": "guardrails.validator_base:PassResult"}, "guardrails: guardrails.validator_base:PassResult is"),
        ({"validator": "guardrails_ai.not_here:A"}, "guardrails: guardrails_ai.not_here is not installed (No module"),
        ({"validator": "os:system"}, "guardrails: validator: string should match pattern"),
        ({"validator": "guardrails_ai.no_cures"}, "guardrails: validator: string should match pattern"),
        ({"arguments": {"on_fail": "fix"}}, "guardrails: guardrails_ai.no_cures:NoCures cannot be made with these"),
        ({"on_fail": "fix"}, "guardrails: there is no option on_fail; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bridge(**config)
    assert str(caught.value).startswith(sentence)
    assert "pip install guardrails-ai-not-here" in str(caught.value) or "not_here" not in str(caught.value)


@pytest.mark.skipif(INSTALLED, reason="it is installed")
def test_where_it_is_not_installed_the_policy_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError) as caught:
        bridge()
    assert str(caught.value) == (
        "guardrails: guardrails.validator_base is not installed (No module named 'guardrails'); run"
        " `pip install guardrails-ai` where the gateway runs"
    )


def test_the_gateway_does_not_import_it_unasked() -> None:
    load = "import sys; from postil.plugins.manager import PluginManager; PluginManager(entry_points=False)"
    said = [sys.executable, "-c", f"{load}; print('guardrails' in sys.modules)"]
    assert subprocess.run(said, capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_it_has_a_thread_of_its_own() -> None:
    assert Guardrails.blocking
