"""The process that imports a plugin, as it is asked and as it answers."""

from __future__ import annotations

import os
import pickle
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from postil.plugins.discover import answer, serve
from postil.plugins.installed import Order, Reply, SetUp, Source
from postil.plugins.loading import FOLDER
from tests.plugins.test_discovery import source

RULE = """
from postil.plugins import Fallback, FallbackRule, hookimpl

class Rule(FallbackRule):
    name = "rule"

    def answer(self, context, completion, verdicts):
        return Fallback("instead")

@hookimpl
def postil_fallback_rules():
    return [Rule]
"""


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    """What is imported here is forgotten again."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == FOLDER]:
        del sys.modules[name]


def written(folder: Path, text: str) -> Source:
    """A file in the folder of plugins."""
    path = folder / "quiet.py"
    path.write_text(text)
    return Source(path.name, path=str(path))


def test_what_it_offers_and_what_it_says_of_itself_are_told(tmp_path: Path) -> None:
    plugin = written(tmp_path, source())
    (info,) = answer(Order(plugin)).components
    assert (info.kind, info.name, info.plugin, info.doc) == ("validator", "quiet", f"{FOLDER}.quiet", "Says nothing.")
    assert (info.window, info.window_by_configuration, info.fields) == (None, True, {"does": False, "word": False})
    assert answer(Order(plugin, info, {"word": "four"})) == Reply(set_up=SetUp(window=4))
    assert answer(Order(plugin, info, {"word": 3})).error == "quiet: word: input should be a valid string"


def test_a_rule_has_nothing_to_say_of_itself(tmp_path: Path) -> None:
    plugin = written(tmp_path, RULE)
    (info,) = answer(Order(plugin)).components
    assert answer(Order(plugin, info)) == Reply()


def test_what_goes_wrong_is_a_sentence(tmp_path: Path) -> None:
    plugin = written(tmp_path, source(set_up="sys.exit(3)"))
    (info,) = answer(Order(plugin)).components
    sentence = "quiet: it cannot be set up with this configuration (SystemExit(3))"
    assert answer(Order(plugin, info)).error == sentence
    gone = Source("gone.py", path=str(tmp_path / "gone.py"))
    assert str(answer(Order(gone)).error).startswith("the plugin gone.py cannot be loaded (FileNotFoundError(")


def test_what_is_no_error_of_the_plugin_is_a_sentence_too(tmp_path: Path) -> None:
    plugin = written(tmp_path, source(hook="sys.exit(3)"))
    assert answer(Order(plugin)).error == "the plugin quiet.py cannot be loaded (SystemExit(3)); mend or remove it"


def test_it_answers_until_nobody_asks_any_more(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    serving = threading.Thread(target=serve, args=(theirs,))
    serving.start()
    with ours, ours.makefile("rb") as lines:
        for _ in range(2):
            ours.sendall(pickle.dumps(Order(written(tmp_path, RULE))))
            assert [info.name for info in msgspec.json.decode(lines.readline(), type=Reply).components] == ["rule"]
        ours.shutdown(socket.SHUT_WR)
        serving.join(60)
    assert not serving.is_alive()


def started(theirs: socket.socket, parent: int) -> subprocess.Popen[bytes]:
    """The process as it is started, but for its environment."""
    arguments = [str(theirs.fileno()), str(parent), str(1 << 30)]
    return subprocess.Popen(
        [sys.executable, "-m", "postil.plugins.discover", *arguments],
        pass_fds=(theirs.fileno(),),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_it_has_bounded_memory_and_ends_when_nobody_asks(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with started(theirs, os.getpid()) as process, ours, ours.makefile("rb") as lines:
        theirs.close()
        ours.sendall(pickle.dumps(Order(written(tmp_path, RULE))))
        assert msgspec.json.decode(lines.readline(), type=Reply).error is None
        assert resource.prlimit(process.pid, resource.RLIMIT_DATA)[0] == 1 << 30
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(60) == 0


def test_it_does_not_outlive_who_started_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, started(theirs, 1 << 22) as process:
        assert process.wait(60) == 1
