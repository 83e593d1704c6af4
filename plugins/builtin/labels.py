"""``labels``: the answer is a JSON object with one field, whose value is one of a set.

Decoding is constrained to that already; this looks at the result, so that truncation, a wrong constraint or
a fault of the engine is caught and not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, Validator
from postil.plugins.cost import Cost
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import label_answer
from postil.plugins.types import Completion, RequestContext, Verdict


class LabelsConfig(Config):
    """``labels``: the values allowed, and ``reject`` if there is one; ``field``: the one key of the answer."""

    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    field: str = "category"
    reject: str | None = None


class Labels(Validator):
    """Passes ``{"category": "<one of labels>"}`` and nothing else."""

    name = "labels"
    Config = LabelsConfig
    cost = Cost(ascii=0.1, other=0.1)

    def __init__(self, config: LabelsConfig) -> None:
        super().__init__(config)
        self._allowed = frozenset((*config.labels, config.reject) if config.reject else config.labels)
        # How nearly all answers are spelt; to find one among them is quicker than to read it.
        self._usual = frozenset(label_answer(config.field, label) for label in self._allowed)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail an answer that is not JSON, has other keys, or a value outside the set."""
        if completion.text in self._usual:
            return Verdict.passed()
        try:
            answer = json.loads(completion.text, object_pairs_hook=_once)
        except (ValueError, RecursionError):  # The second: more brackets than it would follow.
            return Verdict.failed("the answer is not JSON")
        if not isinstance(answer, dict) or list(answer) != [self.config.field]:
            return Verdict.failed(f"the answer is not an object with the one key {self.config.field!r}")
        value = answer[self.config.field]
        if not isinstance(value, str) or value not in self._allowed:
            return Verdict.failed("the label is not one of the set")
        return Verdict.passed()


def _once(pairs: list[tuple[str, object]]) -> dict[str, object] | None:
    """An object, or None where a key stands twice: readers differ on which of the two counts."""
    answer = dict(pairs)
    return answer if len(answer) == len(pairs) else None


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``labels``."""
    return [Labels]
