"""``legal-privileged``: what is marked as privileged stays in the house."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from postil.plugins import Config, InputCheck, RequestContext, Verdict


class PrivilegedConfig(Config):
    """``marks`` are what such papers have on them, in any case and spacing."""

    marks: tuple[str, ...] = ("attorney-client privileged", "privileged and confidential", "attorney work product")


class Privileged(InputCheck):
    """Fails a request that holds a mark."""

    name = "legal-privileged"
    version = "1"
    Config = PrivilegedConfig

    def __init__(self, config: PrivilegedConfig) -> None:
        super().__init__(config)
        self._marks = [_plain(mark) for mark in config.marks]

    def check(self, context: RequestContext) -> Verdict:
        """Look at every text of the request, whoever said it and however it is wrapped."""
        if any(mark in _plain(text) for text in _texts(dict(context.request)) for mark in self._marks):
            return Verdict.failed("the request holds a paper that is marked as privileged")
        return Verdict.passed()


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
