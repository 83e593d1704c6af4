"""The log on the terminal: a line that comes again and again is written once a second."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.logging import RichHandler

from postil.gateway.telemetry.request_id import current
from postil.gateway.telemetry.trace import current_trace

_SECONDS = 1.0
_REMEMBERED = 1000


class Repeats(logging.Filter):
    """Leaves out a line that was written less than a second ago; the next one like it says how many were left out.

    Writing a line keeps the gateway's loop for most of a millisecond: a validator that fails on every request of one
    domain would slow all the others.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        if record.exc_info:
            return True
        text = record.getMessage()
        written, left_out = self._seen.get(text, (0.0, 0))
        if record.created - written < _SECONDS:
            self._seen[text] = written, left_out + 1
            return False
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[text] = record.created, 0
        if left_out:
            record.msg, record.args = f"{text} (and {left_out} times more)", None
        return True


class RequestNamed(logging.Filter):
    """Adds the id of the request that was being answered, where there was one, and of its trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it."""
        named = current()
        trace = current_trace()
        traced = f" trace {trace.root.trace_id}" if trace is not None else ""
        record.request = f" [{named}{traced}]" if named else ""
        return True


def log_to(console: Console) -> None:
    """Have the log written on a terminal."""
    handler = RichHandler(console=console)
    handler.addFilter(Repeats())
    handler.addFilter(RequestNamed())  # Behind the repeats: what comes again comes for another request.
    logging.basicConfig(level=logging.WARNING, format="%(message)s%(request)s", handlers=[handler])
