from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from postil.plugins import Completion, FallbackRule, RequestContext, Validator, Verdict, hookimpl
from postil.plugins.errors import PluginLoadError, UnknownPluginError
from postil.plugins.manager import PluginManager


class PassingValidator(Validator):
    name = "passing"
    version = "7"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed()


class Nameless(Validator):
    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed()


class Unnamed(Nameless):
    name = ""


class Numbered(Nameless):
    name = 3  # type: ignore[assignment]


class Unversioned(PassingValidator):
    version = 8  # type: ignore[assignment]


class Unfinished(Validator):
    name = "unfinished"


class Twin(PassingValidator):
    version = "8"


class Offering:
    """A plugin that offers what it was made with."""

    def __init__(self, offered: Any) -> None:
        self.offered = offered

    @hookimpl
    def postil_validators(self) -> Any:
        return self.offered


class Asynchronous:
    @hookimpl
    async def postil_validators(self) -> Sequence[type[Validator]]:
        return [PassingValidator]


class Misspelt:
    @hookimpl
    def postil_validator(self) -> Sequence[type[Validator]]:
        return [PassingValidator]


class Demanding:
    @hookimpl
    def postil_validators(self, gateway: object) -> Sequence[type[Validator]]:
        return [PassingValidator]


class Raising:
    @hookimpl
    def postil_validators(self) -> Sequence[type[Validator]]:
        raise KeyError("POSTIL_WORDS")


class RaisingLate:
    @hookimpl
    def postil_validators(self) -> Iterator[type[Validator]]:
        yield PassingValidator
        raise KeyError("POSTIL_WORDS")


def load(*extra: object) -> PluginManager:
    """A manager that sees no installed plugin of the machine."""
    return PluginManager(extra, entry_points=False)


def refusal(*extra: object) -> str:
    """The sentence with which plugins are refused."""
    with pytest.raises(PluginLoadError) as caught:
        load(*extra)
    return str(caught.value)


def test_what_a_plugin_offers_is_found_by_its_name() -> None:
    assert load(Offering([PassingValidator])).validator("passing") is PassingValidator


@pytest.mark.parametrize("kind", [list, tuple, set, iter])
def test_any_collection_of_classes_will_do(kind: Any) -> None:
    assert load(Offering(kind([PassingValidator]))).validator("passing") is PassingValidator


def test_a_plugin_may_offer_nothing() -> None:
    assert load(Offering([])).list_components() == load().list_components()


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownPluginError) as caught:
        load().validator("label")
    assert str(caught.value).startswith(
        "no validator is called 'label'; did you mean labels? installed: blocklist, confidence, "
    )
    with pytest.raises(UnknownPluginError) as caught:
        load().fallback_rule("labels")
    assert str(caught.value).startswith("no fallback rule is called 'labels'; installed: append, ask_again, base, ")


def test_offers_are_ordered_and_carry_their_schema() -> None:
    components = load(Offering([PassingValidator])).list_components()
    names = [(component.kind, component.name) for component in components]
    assert names == sorted(names)
    found = dict(zip(names, components, strict=True))
    assert found["fallback rule", "fixed_answer"].schema["required"] == ["content"]
    assert (found["validator", "passing"].version, found["validator", "passing"].plugin) == ("7", __name__)


def test_what_comes_with_postil_is_offered_without_anything_installed() -> None:
    kinds: dict[str, list[str]] = {}
    for component in load().list_components():
        kinds.setdefault(component.kind, []).append(component.name)
    assert kinds == {
        "validator": [
            "blocklist", "confidence", "disclaimer", "guardrails", "json_schema", "labels", "length", "pii",
        ],
        "input check": ["emergency", "injection", "input_length"],
        "fallback rule": ["append", "ask_again", "base", "error", "fixed_answer", "other_release", "review"],
        "router": ["keywords", "linear"],
        "gate": ["minimum_metric", "not_worse"],
        "listener": ["event_log", "webhook"],
    }  # fmt: skip


@pytest.mark.parametrize("first", [True, False])
def test_an_async_hook_is_refused(first: bool) -> None:
    plugins = [Asynchronous(), Asynchronous(), Offering([PassingValidator])]
    sentence = refusal(*(plugins if first else plugins[::-1]))
    assert sentence.endswith("have to be plain functions: write `def`, not `async def`")


def test_a_misspelt_hook_is_refused() -> None:
    assert "unknown hook 'postil_validator'" in refusal(Misspelt())


def test_a_hook_that_wants_arguments_is_refused() -> None:
    assert "gateway" in refusal(Demanding())


def test_a_plugin_given_twice_is_refused() -> None:
    plugin = Offering([])
    assert "registered" in refusal(plugin, plugin)


def test_two_plugins_with_the_same_name_are_refused() -> None:
    assert refusal(Offering([PassingValidator]), Offering([Twin])) == (
        f"two plugins offer 'passing' ({__name__} and {__name__}); rename one"
    )


@pytest.mark.parametrize(
    ("offered", "sentence"),
    [
        ([PassingValidator.from_mapping({})], "is not a subclass of Validator"),
        (["labels"], "'labels' is offered, but is not a subclass of Validator"),
        ([FallbackRule], "is not a subclass of Validator"),
        ([dict], "<class 'dict'> is offered, but is not a subclass of Validator"),
        ([Nameless], 'Nameless has no name; give the class `name = "..."`'),
        ([Unnamed], 'Unnamed has no name; give the class `name = "..."`'),
        ([Numbered], 'Numbered has no name; give the class `name = "..."`'),
        ([Unversioned], 'passing has the version 8; write `version = "..."`'),
        ([Unfinished], "unfinished lacks judge"),
        (PassingValidator, "; return a list of classes"),
        ("labels", "returned 'labels'; return a list of classes"),
        (None, "returned None; return a list of classes"),
    ],
)
def test_what_is_not_a_list_of_finished_classes_is_refused(offered: object, sentence: str) -> None:
    assert refusal(Offering(offered)).endswith(sentence)


@pytest.mark.parametrize("plugin", [Raising(), RaisingLate()])
def test_a_hook_that_raises_is_refused_with_what_it_raised(plugin: object) -> None:
    assert refusal(Offering([]), plugin).endswith(" raised KeyError('POSTIL_WORDS'); mend or uninstall it")
