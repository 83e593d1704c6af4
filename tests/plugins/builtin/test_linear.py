from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.plugins import ConfigError, RoutingRequest, Undecided
from postil.plugins.builtin.linear import Linear
from postil.plugins.recognition.router_model import READ
from tests.support.routers import write_router

DOMAINS = ("finance", "healthcare", "legal")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A router that knows a few words."""
    return write_router(tmp_path / "router.json")


def route(
    file: Path, *texts: str, model: str | None = "auto", domains: tuple[str, ...] = DOMAINS, **config: Any
) -> object:
    request = {"model": model, "messages": [{"role": "user", "content": text} for text in texts]}
    return Linear.from_mapping({"file": str(file), **config}).route(RoutingRequest("clinic", domains, request))


@pytest.mark.parametrize(
    ("text", "model"), [("fever", "healthcare"), ("The LEASE", "legal/clause"), ("refund my card", "finance")]
)
def test_a_text_goes_to_the_model_that_it_is_for(file: Path, text: str, model: str) -> None:
    assert route(file, text) == model
    assert route(file, text, model=None) == model


@pytest.mark.parametrize("text", ["", "banana weather", "fever lease", "nothing of the kind"])
def test_a_text_that_is_for_no_model_is_not_sent_to_one(file: Path, text: str) -> None:
    assert route(file, text) == Undecided("it is not sure which model this text is for")
    assert route(file, text, otherwise="base") == "base"
    assert route(file, text, otherwise="default") is None


def test_a_request_that_leaves_the_model_out_goes_to_the_default_domain_if_it_is_for_none(file: Path) -> None:
    assert route(file, "banana", model=None) is None
    assert route(file, "banana", model=None, otherwise="base") is None


def test_a_model_that_the_tenant_may_not_use_is_never_chosen_and_no_other_in_its_place(file: Path) -> None:
    assert isinstance(route(file, "fever", domains=("finance", "legal")), Undecided)
    assert route(file, "the lease", domains=("legal",)) == "legal/clause"
    assert isinstance(route(file, "the lease", domains=("finance",)), Undecided)
    assert isinstance(route(file, "fever", domains=()), Undecided)


def test_another_threshold_can_be_asked_for(file: Path) -> None:
    assert isinstance(route(file, "fever and other words", threshold=1), Undecided)
    assert route(file, "fever and a lot of other words that nobody knows", threshold=0) == "healthcare"


def test_the_last_that_the_user_said_is_read(file: Path) -> None:
    assert route(file, "fever", "and what now?") == "healthcare"
    assert route(file, "fever " * READ, "card " * READ) == "finance"


def test_a_prompt_is_read_too(file: Path) -> None:
    router = Linear.from_mapping({"file": str(file)})
    assert router.route(RoutingRequest("t", DOMAINS, {"model": "auto", "prompt": "refund"})) == "finance"


def test_a_long_text_costs_no_more_than_what_is_read_of_it(file: Path) -> None:
    router = Linear.from_mapping({"file": str(file)})
    assert router.cost.of("a" * READ) == router.cost.of("a" * 10 * READ)


def test_a_file_that_is_no_router_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "router.json"
    path.write_text(json.dumps({"format": "other"}))
    for config, sentence in (
        ({}, "linear: file: field required"),
        ({"file": str(tmp_path / "none")}, "cannot be read (No such file or directory); make it with `postil train-"),
        ({"file": str(path)}, "router.json is no router: format: Input should be 'postil-router'; make it with"),
        ({"file": str(path), "threshold": 2}, "linear: threshold: input should be less than or equal to 1"),
        ({"file": str(path), "otherwise": "guess"}, "linear: otherwise: input should be 'refuse', 'base' or 'default'"),
    ):
        with pytest.raises(ConfigError) as caught:
            Linear.from_mapping(config)
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)
