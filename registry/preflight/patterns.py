"""``rank_pattern`` and ``alpha_pattern``: which value PEFT takes for a module.

Their keys are regular expressions that PEFT and the engine run with Python's ``re``, in which a stranger's expression
can run for ever. Here RE2 runs them, in linear time, and what they come to is written in plain names.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from postil.registry.preflight.untrusted import refuse, shown

_MAX_KEYS = 1000
_MAX_KEY = 1000
_MAX_MEMORY = 1 << 20
# A name, which the engine runs as an expression too: its dots stand for themselves in all names that there are.
_PLAIN_KEY = re.compile(r"\^?[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
# What RE2 takes and reads otherwise than Python, which reads a group of POSIX as a set and ``{,3}`` as a count.
_READ_OTHERWISE = re.compile(r"\(\?(?!:)|\[:|\[\^?\[|\{,|\\[QECpPzZ]|[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Values by key, in the order in which PEFT tries them; a key that is a plain name has no expression."""

    keys: Sequence[tuple[str, Any, Any]] = ()

    @property
    def plain(self) -> bool:
        """Whether all keys are names, which need no resolving."""
        return all(expression is None for _, expression, _ in self.keys)

    def value(self, module: str, default: Any) -> Any:
        """Return the value of the first key that means a module, as PEFT does."""
        return next((value for key, expression, value in self.keys if _means(key, expression, module)), default)

    def in_plain_names(self, modules: Iterable[str], default: Any) -> dict[str, Any]:
        """Return plain names with their values, which come to the same for these modules."""
        by_end: dict[str, dict[str, Any]] = {}
        for module in sorted(modules):
            by_end.setdefault(module.rpartition(".")[2], {})[module] = self.value(module, default)
        found: dict[str, Any] = {}
        for end, values in by_end.items():
            same = len(set(values.values())) == 1
            found |= {end: next(iter(values.values()))} if same else {f"^{name}": one for name, one in values.items()}
        return {key: value for key, value in found.items() if value != default}


def read_pattern(option: str, stated: object) -> Pattern:
    """Read a pattern whose keys can be resolved. Raises PreflightError."""
    found = stated or {}
    if not isinstance(found, dict) or len(found) > _MAX_KEYS:
        refuse(
            f"{option} is {shown(found)}", f"it has to be an object of at most {_MAX_KEYS:,} keys",
            "save or copy the adapter again",
        )  # fmt: skip
    return Pattern([(key, _expression(option, key), value) for key, value in found.items()])


def _means(key: str, expression: Any, module: str) -> bool:
    if expression is not None:
        return expression.fullmatch(module) is not None
    name = key.removeprefix("^")
    return module == name or (name == key and module.endswith(f".{name}"))


def _expression(option: str, key: str) -> Any:
    """Return PEFT's expression for a key, compiled; None for a plain name. Raises PreflightError."""
    if _PLAIN_KEY.fullmatch(key):
        return None
    options = re2.Options()
    options.log_errors, options.max_mem = False, _MAX_MEMORY
    try:
        if len(key) > _MAX_KEY or _READ_OTHERWISE.search(key):
            raise ValueError(key)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python warns of what a later version reads otherwise.
            re.compile(key)
        re2.compile(key, options)
        return re2.compile(rf"(.*\.)?({key})", options)
    except (re.error, re2.error, ValueError, OverflowError, RecursionError, Warning):
        refuse(
            f"{option} has the key {shown(key)}", "only names and regular expressions of RE2 are taken",
            "write the modules' names out",
        )  # fmt: skip
