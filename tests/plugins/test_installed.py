"""A class that was imported elsewhere is named in policies as one that is here, and is never called here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

from postil.plugins import Completion, Config, ReleaseRef, RequestContext, Scope, Validator, Verdict, window
from postil.plugins.builtin.fixed_answer import FixedAnswer
from postil.plugins.builtin.pii import Pii
from postil.plugins.contract import Component
from postil.plugins.errors import PluginLoadError
from postil.plugins.installed import InstalledComponent, SetUp, Source, info_of, stand_in

SOURCE = Source("quiet.py", path="/nowhere/quiet.py")


class Inner(BaseModel):
    word: str = "$ref"


class Nested(Config):
    inner: Inner
    others: list[Inner] = Field([])


class Quiet(Validator):
    """Says nothing."""

    name = "quiet"
    Config = Nested
    scope = window(3)
    needs_tokens = True

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed()


def made(kind: str, component: type[Component]) -> Any:
    """What stands for a class."""
    return stand_in(info_of(kind, component), SOURCE)


def test_a_stand_in_says_of_itself_what_the_class_does() -> None:
    standing = made("validator", Quiet)
    assert (standing.name, standing.version, standing.__module__, standing.__qualname__) == (
        "quiet",
        "1",
        __name__,
        "Quiet",
    )
    assert (standing.__doc__, standing.scope, standing.needs_tokens) == ("Says nothing.", window(3), True)
    assert issubclass(standing, Validator)
    assert standing.info == info_of("validator", Quiet)


@pytest.mark.parametrize("template", ["#/$defs/{model}", "#/$defs/validator.quiet.{model}"])
def test_a_stand_in_has_the_schema_of_the_class(template: str) -> None:
    standing = made("validator", Quiet)
    assert standing.config_schema(template) == json.loads(json.dumps(Quiet.config_schema(template)))
    assert standing.config_fields() == {"inner": True, "others": False}


def test_an_instance_has_what_was_said_of_it_and_cannot_be_called() -> None:
    standing = made("validator", Quiet)
    assert issubclass(standing, InstalledComponent)
    instance: Any = standing({"inner": {}}, SetUp(7, False))
    assert (dict(instance.config), instance.scope, instance.needs_tokens) == ({"inner": {}}, Scope(7), False)
    context = RequestContext(ReleaseRef("legal", "notes", 1), "firm", {})
    with pytest.raises(TypeError, match="quiet runs in a process of its domain's own"):
        instance.judge(context, Completion("no"))


def test_other_kinds_have_no_window() -> None:
    rule = made("fallback rule", FixedAnswer)
    assert rule({"content": "instead"}, SetUp()).config["content"] == "instead"
    assert not hasattr(rule, "scope")
    assert info_of("validator", Pii).window_by_configuration


def test_a_scope_that_is_none_is_refused() -> None:
    class Odd(Quiet):
        scope = 3  # type: ignore[assignment]

    with pytest.raises(PluginLoadError, match=r"quiet: its scope is 3; use FINAL, TOKEN or window\(n\)"):
        info_of("validator", Odd)


def test_a_configuration_without_a_schema_is_refused() -> None:
    class Odd(Quiet):
        class Config(BaseModel):
            word: type = int

    with pytest.raises(PluginLoadError, match="quiet: its configuration has no JSON schema"):
        info_of("validator", Odd)


def test_what_cannot_be_loaded_is_named_with_the_remedy() -> None:
    assert str(SOURCE.refusal("why")) == "the plugin quiet.py cannot be loaded (why); mend or remove it"
    assert str(Source("quiet", "quiet_words").refusal("why")) == (
        "the installed plugin quiet cannot be loaded (why); mend or uninstall it"
    )
