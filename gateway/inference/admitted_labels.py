"""Which of a policy's labels a client's JSON Schema admits: compared here, so that no engine has to compile it.

Answers are objects of one text, ``{"category": "billing"}``. All labels are taken through a schema together, as a set:
the work grows with the schema and the labels, whatever alternatives it has. Keywords that say nothing of such answers
are left out, and so are formats, and patterns that RE2 does not take: what they would refuse is admitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from typing import Any

from postil.gateway.inference.comparison_budget import ComparisonBudget
from postil.registry.errors import GrammarError

_DEEPEST = 64
# A look at a schema, in steps; how many labels are put together, and how many labels or values looked at, in a step.
_LOOK, _TOGETHER, _LOOKED_AT = 3, 32, 12
Labels = frozenset[str]
Schema = Mapping[str, Any]
_NONE: Labels = frozenset()


def admitted(schema: object, field: str, labels: Set[str], budget: ComparisonBudget, *, closed: bool = False) -> Labels:
    """Those labels whose answer, ``{field: label}``, fits a schema. Raises GrammarError.

    ``closed``: the schema has to name the field, as that of a tool that is called with it.
    """
    comparison = _Comparison(schema, field, budget)
    found = comparison.objects(schema, frozenset(labels))
    return found if comparison.names_field or not closed else _NONE


class _Comparison:
    """One schema and the labels that are left on the way through it, as texts and as answers.

    ``names_field``: whether it says anything of the field.
    """

    def __init__(self, root: object, field: str, budget: ComparisonBudget) -> None:
        self._root = root
        self._field = field
        self.names_field = False
        self._budget = budget
        self._depth = 0
        self._referred: dict[str, object] = {}

    def objects(self, schema: object, labels: Labels) -> Labels:
        """Those whose answer fits."""
        return self._through(schema, labels, self.objects, self._of_object)

    def _texts(self, schema: object, labels: Labels) -> Labels:
        """Those that fit by themselves."""
        return self._through(schema, labels, self._texts, self._of_text)

    def _through(
        self,
        schema: object,
        labels: Labels,
        same: Callable[[object, Labels], Labels],
        own: Callable[[Schema, Labels], Labels],
    ) -> Labels:
        if isinstance(schema, bool):
            return labels if schema else _NONE
        if not isinstance(schema, dict):
            raise GrammarError("a schema has to be an object; see json-schema.org")
        self._budget.spend(_LOOK + len(labels) // _TOGETHER)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise GrammarError(f"the schema is nested deeper than {_DEEPEST} levels; send a flatter one")
        left = own(schema, labels)
        for choose in _chosen(schema):
            left = choose(left, same)
        if "$ref" in schema:
            left = same(self._named(schema["$ref"]), left)
        self._depth -= 1
        return left

    def _named(self, reference: object) -> object:
        """What a reference names: it is followed once."""
        if not isinstance(reference, str) or reference not in self._referred:
            found = self._budget.resolved(self._root, reference)
            self._referred[str(reference)] = found
        return self._referred[str(reference)]

    def _of_text(self, schema: Schema, labels: Labels) -> Labels:
        if not self._is_of_type(schema, "string"):
            return _NONE
        self._budget.spend(len(labels) // _LOOKED_AT)
        least, most = _bound(schema, "minLength", 0), _bound(schema, "maxLength", math.inf)
        listed = labels & self._texts_listed(schema) if _lists(schema) else labels
        left = [label for label in listed if least <= len(label) <= most]
        if isinstance(pattern := schema.get("pattern"), str):
            return frozenset(self._budget.matching(pattern, left))
        return frozenset(left)

    def _of_object(self, schema: Schema, labels: Labels) -> Labels:
        required = schema.get("required")
        if (
            not self._is_of_type(schema, "object")
            or (isinstance(required, list) and not self._are_field(required))
            or not _bound(schema, "minProperties", 1) <= 1 <= _bound(schema, "maxProperties", 1)
        ):
            return _NONE
        left = labels & self._answers_listed(schema) if _lists(schema) else labels
        if "propertyNames" in schema and not self._texts(schema["propertyNames"], frozenset({self._field})):
            return _NONE
        for inner in self._of_field(schema):
            left = self._texts(inner, left)
        return left

    def _texts_listed(self, schema: Schema) -> Labels:
        return frozenset(value for value in self._listed(schema) if isinstance(value, str))

    def _answers_listed(self, schema: Schema) -> Labels:
        answers = [value for value in self._listed(schema) if isinstance(value, dict) and value.keys() == {self._field}]
        self.names_field |= bool(answers)
        return frozenset(label for answer in answers if isinstance(label := answer[self._field], str))

    def _listed(self, schema: Schema) -> list[object]:
        """The values of ``const`` and ``enum``, of both where there are both."""
        listed = schema.get("enum")
        values: list[object] = listed if isinstance(listed, list) else []
        self._budget.spend(len(values) // _LOOKED_AT)
        if "const" not in schema:
            return values
        self._budget.spend(self._budget.weight(values))
        return [schema["const"]] if "enum" not in schema or schema["const"] in values else []

    def _is_of_type(self, schema: Schema, kind: str) -> bool:
        kinds = schema.get("type", kind)
        if not isinstance(kinds, list):
            return bool(kinds == kind)
        self._budget.spend(len(kinds) // _LOOKED_AT)
        return kind in kinds

    def _are_field(self, names: list[object]) -> bool:
        self._budget.spend(len(names) // _LOOKED_AT)
        return all(name == self._field for name in names)

    def _of_field(self, schema: Schema) -> Iterator[object]:
        """The schemas that the field's value has to fit."""
        named, patterns = schema.get("properties"), schema.get("patternProperties")
        found = False
        if isinstance(named, dict) and self._field in named:
            found = True
            yield named[self._field]
        for pattern, inner in patterns.items() if isinstance(patterns, dict) else ():
            self._budget.spend(1)
            if self._budget.matching(pattern, [self._field]):
                found = True
                yield inner
        self.names_field |= found or bool(schema.get("additionalProperties"))
        if not found:
            yield schema.get("additionalProperties", True)


def _chosen(schema: Schema) -> Iterator[Callable[[Labels, Callable[[object, Labels], Labels]], Labels]]:
    """What a schema says by others for the same value."""
    for keyword, choose in (("allOf", _all_of), ("anyOf", _any_of), ("oneOf", _one_of)):
        if isinstance(listed := schema.get(keyword), list):
            yield partial(choose, listed)
    if "not" in schema:
        yield lambda left, same: left - same(schema["not"], left)
    if "if" in schema:
        yield partial(_if_then, schema)


def _all_of(listed: list[object], left: Labels, same: Callable[[object, Labels], Labels]) -> Labels:
    for each in listed:
        left = same(each, left)
    return left


def _any_of(listed: list[object], left: Labels, same: Callable[[object, Labels], Labels]) -> Labels:
    return _NONE.union(*(same(each, left) for each in listed))


def _one_of(listed: list[object], left: Labels, same: Callable[[object, Labels], Labels]) -> Labels:
    once, again = _NONE, _NONE
    for each in listed:
        fitting = same(each, left)
        again |= once & fitting
        once |= fitting
    return once - again


def _if_then(schema: Schema, left: Labels, same: Callable[[object, Labels], Labels]) -> Labels:
    fitting = same(schema["if"], left)
    return same(schema.get("then", True), fitting) | same(schema.get("else", True), left - fitting)


def _lists(schema: Schema) -> bool:
    """Whether a schema says which values there are."""
    return "enum" in schema or "const" in schema


def _bound(schema: Schema, name: str, otherwise: float) -> float:
    """A bound of lengths or counts; what is no number is none."""
    value = schema.get(name)
    return value if isinstance(value, int) else otherwise
