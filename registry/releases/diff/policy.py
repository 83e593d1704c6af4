"""How two policies differ, value by value: ``validators[confidence].config.minimum``, 0.4 before and 0.5 after."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

K = TypeVar("K")

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# Texts longer than this are easier to read line by line than one after the other.
_SHORT = 60


class _Absent:
    """The type of ``ABSENT``: no value at all, as opposed to null."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs; ``before`` or ``after`` is ``ABSENT`` where there is none."""

    path: str
    before: Any
    after: Any

    def lines(self) -> list[str]:
        """Texts of more than a few words as a short unified diff, without its header; nothing for other values."""
        texts = [value for value in (self.before, self.after) if value is not ABSENT and value is not None]
        if not texts or not all(isinstance(text, str) for text in texts):
            return []
        if not any(len(text) > _SHORT or "\n" in text for text in texts) and self.path != "system_prompt":
            return []
        before, after = (_lines(value) for value in (self.before, self.after))
        return list(islice(difflib.unified_diff(before, after, n=1, lineterm=""), 2, None))


def policy_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every value that differs between two policies as releases keep them. Equal policies differ in none."""
    return list(_changes("", before, after))


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in _either(before, after):
            yield from _changes(_at(path, key), before.get(key, ABSENT), after.get(key, ABSENT))
    elif _plugins(before, after):
        yield from _plugin_changes(path, () if before is ABSENT else before, () if after is ABSENT else after)
    elif not _same(before, after):
        yield Change(path, before, after)


def _plugin_changes(path: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    """Validators and fallback rules go by their names, so that one more at the top does not change all the others."""
    ours, theirs = _by_name(before), _by_name(after)
    for key in _either(ours, theirs):
        name, number = key
        yield from _changes(
            f"{path}[{name}]" if number == 1 else f"{path}[{name}, {number}]",
            ours.get(key, ABSENT),
            theirs.get(key, ABSENT),
        )
    if [key for key in ours if key in theirs] != [key for key in theirs if key in ours]:
        yield Change(f"{path}, in order", [name for name, _ in ours], [name for name, _ in theirs])


def _by_name(uses: Sequence[Any]) -> dict[tuple[str, int], Any]:
    """The plugins by name and count: a fallback rule may be named more than once."""
    found: dict[tuple[str, int], Any] = {}
    seen: Counter[str] = Counter()
    for use in uses:
        seen[use["name"]] += 1
        found[use["name"], seen[use["name"]]] = use
    return found


def _plugins(before: Any, after: Any) -> bool:
    """Whether both are lists of named plugins; one of them may be absent."""
    both = [value for value in (before, after) if value is not ABSENT]
    return any(both) and all(
        isinstance(uses, list | tuple)
        and all(isinstance(use, Mapping) and isinstance(use.get("name"), str) for use in uses)
        for uses in both
    )


def _either(before: Mapping[K, Any], after: Mapping[K, Any]) -> list[K]:
    return [*before, *(key for key in after if key not in before)]


def _at(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def _same(before: Any, after: Any) -> bool:
    """As their JSON: to Python 1, 1.0 and True are equal, to a policy's digest they are not."""
    if before is ABSENT or after is ABSENT:
        return before is after
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _lines(text: Any) -> list[str]:
    return text.splitlines() if isinstance(text, str) else []
