"""Reads what a stream of chat completions said, however it was cut into events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def events_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The events before ``[DONE]``, which has to be there and the last."""
    told = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert told[-1:] == ["[DONE]"], told[-1:]
    return [json.loads(line) for line in told[:-1]]


def pieces_of(lines: Iterable[str]) -> list[str]:
    """The texts that came, each in an event of its own."""
    choices = [choice for event in events_of(lines) for choice in event["choices"]]
    return [text for choice in choices if (text := choice["delta"].get("content"))]


def text_of(lines: Iterable[str]) -> str:
    """The text of all events, joined. No test may look for it in the events: a piece ends where time cut it."""
    return "".join(pieces_of(lines))
