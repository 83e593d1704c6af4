"""Each type of a field as words, check and schema: what the check takes, the OpenAPI document has to allow."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from postil.gateway.inference import field_types as t
from postil.gateway.inference.fields.table import FIELDS
from postil.gateway.inference.formats import TRANSLATED

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
TYPES = {
    "whole": t.whole(-1, 5),
    "number": t.number(0, 1),
    "above": t.number(0, 1, above=True),
    "text": t.text(3, 1),
    "one of": t.one_of("a", "b"),
    "many": t.many(t.text(2), 2, 1),
    "many whole": t.many_whole(0, 9, 2, 1),
    "either": t.either(t.text(2), t.OBJECT),
    "mapping": t.mapping(t.number(-1, 1), 2, t.token_id_key()),
    "record": t.record({"a": t.text(2), "b": t.one_of("a")}, ("a",)),
    "scalar": t.SCALAR,
    "boolean": t.BOOLEAN,
}


@pytest.mark.parametrize("name", TYPES)
@given(value=VALUES)
def test_the_schema_and_the_check_agree(name: str, value: Any) -> None:
    kind = TYPES[name]
    allowed = Draft202012Validator(kind.schema).is_valid(value)
    assert allowed or not kind.fits(value)
    if not has_lenient_numbers(value):
        assert kind.fits(value) == allowed


@given(value=VALUES)
def test_null_is_allowed_beside_what_a_schema_allows(value: Any) -> None:
    for kind in TYPES.values():
        allowed = Draft202012Validator(t.or_null(kind.schema)).is_valid(value)
        assert allowed == (value is None or Draft202012Validator(kind.schema).is_valid(value))


def test_every_field_of_every_endpoint_has_a_schema_that_is_one() -> None:
    types = [field.type for table in FIELDS.values() for field in table.values()]
    types += [field.type for api in TRANSLATED for field in api.fields.values()]
    for each in types:
        Draft202012Validator.check_schema(each.schema)
        assert each.schema or each is t.ANYTHING, each.words


def has_lenient_numbers(value: Any) -> bool:
    """Whether a schema is laxer than the check: 1.0 is whole for it, and an integer may need more than 64 bits."""
    if isinstance(value, dict):
        # Of a key, a schema sees its digits and no number.
        return any(map(has_lenient_numbers, value.values())) or any(len(key) > 9 for key in value)
    if isinstance(value, list):
        return any(map(has_lenient_numbers, value))
    if isinstance(value, float):
        return not math.isfinite(value) or value.is_integer()
    return isinstance(value, int) and not t.SMALLEST_INT64 <= value <= t.LARGEST_INT64
