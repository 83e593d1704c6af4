from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postil.plugins import ConfigError
from postil.plugins.builtin.event_log import EventLog
from tests.plugins.notifications import notification, told


def lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_happening_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    listener = EventLog.from_mapping({"path": str(path)})
    listener.handle(notification())
    listener.handle(notification("größer\nand \ud800 odd"))
    assert lines(path) == [told(), told("größer\nand \ud800 odd")]


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("{}\n")
    EventLog.from_mapping({"path": str(path)}).handle(notification())
    assert lines(path) == [{}, told()]


def test_a_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    listener = EventLog.from_mapping({"path": str(path)})
    listener.handle(notification())
    path.rename(tmp_path / "old")
    listener.handle(notification())
    assert lines(path) == lines(tmp_path / "old") == [told()]


def test_lines_of_many_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    listeners = [EventLog.from_mapping({"path": str(path)}) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: listeners[number % 4].handle(notification("x" * number * 20)), range(200)))
    assert sorted(len(line["reason"]) for line in lines(path)) == [20 * number for number in range(200)]  # type: ignore[index]


def test_a_wrong_configuration_is_refused_in_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for config, sentence in (
        ({}, "event_log: path: field required"),
        ({"path": str(tmp_path)}, f"event_log: path: {tmp_path} is a folder; name a file in it"),
        ({"path": str(gone / "log")}, f"event_log: {gone} is not a folder; make it, or name another path"),
        ({"path": "x", "rotate": True}, "event_log: there is no option rotate; leave it out"),
    ):
        with pytest.raises(ConfigError) as caught:
            EventLog.from_mapping(config)
        assert str(caught.value) == sentence
