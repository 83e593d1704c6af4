"""A class of somebody else's is set up, or not, and whoever asked goes on."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from postil.plugins import Completion, Config, ConfigError, RequestContext, Validator, Verdict
from postil.plugins.making import make

RELEASED = threading.Event()


class Doing(Config):
    """``what`` its set-up does."""

    what: str = "nothing"


class Odd(Validator):
    """Does as it is told while it is set up."""

    name = "odd"
    Config = Doing

    def __init__(self, config: Doing) -> None:
        super().__init__(config)
        acts: dict[str, Any] = {
            "nothing": lambda: None,
            "hang": lambda: RELEASED.wait(60),
            "exit": lambda: sys.exit(3),
            "raise": lambda: 1 / 0,
            "refuse": _refuse,
        }
        acts[config.what]()

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Pass."""
        return Verdict.passed()


def _refuse() -> None:
    raise ConfigError("odd: give another word")


def test_one_that_can_be_set_up_is() -> None:
    assert make(Odd, {}).config == Doing()


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("exit", r"odd: it cannot be set up with this configuration \(SystemExit\(3\)\)"),
        ("raise", r"odd: it cannot be set up with this configuration \(ZeroDivisionError"),
        ("refuse", "odd: give another word"),
    ],
)
def test_one_that_cannot_is_refused_in_a_sentence(what: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make(Odd, {"what": what})


def test_a_configuration_that_does_not_fit_is_refused_as_ever() -> None:
    with pytest.raises(ConfigError, match="odd: why: extra inputs are not permitted"):
        make(Odd, {"why": 1})


def test_one_that_hangs_is_given_up() -> None:
    try:
        with pytest.raises(ConfigError, match=r"odd: it was not set up within 0\.1 s; mend or uninstall the plugin"):
            make(Odd, {"what": "hang"}, seconds=0.1)
    finally:
        RELEASED.set()
