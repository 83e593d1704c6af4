"""The tables of other APIs against the types of their official clients, and errors in their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from openai.types.responses import response_create_params

from postil.gateway.errors import BadRequestError
from postil.gateway.inference import field_types as t
from postil.gateway.inference.formats import COUNT, TRANSLATED, TranslatedFormat
from postil.gateway.inference.formats.other_fields import Handling, OtherField, check_other_fields
from postil.gateway.inference.translate import rename_fields

RESPONSES, MESSAGES = TRANSLATED
OFFICIAL: list[tuple[TranslatedFormat, Any]] = [
    (RESPONSES, response_create_params.ResponseCreateParamsBase),
    (MESSAGES, message_create_params.MessageCreateParamsBase),
    (COUNT, message_count_tokens_params.MessageCountTokensParams),
]
FIELDS: Mapping[str, OtherField] = {
    "wanted": OtherField(t.BOOLEAN, Handling.HONOURED),
    "spare": OtherField(t.BOOLEAN, Handling.IGNORED),
    "odd": OtherField(t.ANYTHING, Handling.REFUSED, "leave it", (False,)),
}


@pytest.mark.parametrize(("api", "params"), OFFICIAL, ids=[api.path for api, _ in OFFICIAL])
def test_every_field_of_the_official_client_is_decided(api: TranslatedFormat, params: Any) -> None:
    assert params.__annotations__.keys() - {"stream"} - api.fields.keys() == set()


@pytest.mark.parametrize("api", TRANSLATED, ids=[api.path for api in TRANSLATED])
def test_a_field_that_is_not_honoured_says_why_or_has_no_meaning_here(api: TranslatedFormat) -> None:
    assert [name for name, field in api.fields.items() if field.handling is Handling.REFUSED and not field.note] == []
    assert set(api.required) <= api.fields.keys()


def test_fields_are_kept_dropped_or_refused() -> None:
    given = {"wanted": True, "spare": False, "odd": False}
    assert check_other_fields("/v1/x", FIELDS, ("wanted",), given) == {"wanted": True}
    assert check_other_fields("/v1/x", FIELDS, (), {"wanted": None, "odd": None}) == {}
    for body, said, param in (
        ({"odd": True}, "`odd` is not taken here; leave it", "odd"),
        ({"spare": 1}, "spare has to be true or false", "spare"),
        ({"wantd": True}, "'wantd' is not a field of /v1/x; did you mean `wanted`?", "wantd"),
        ({"zzz": True}, "'zzz' is not a field of /v1/x; leave it out", "zzz"),
        ({"wanted": None}, "wanted is required", "wanted"),
    ):
        with pytest.raises(BadRequestError) as caught:
            check_other_fields("/v1/x", FIELDS, ("wanted",), body)
        assert (str(caught.value), caught.value.param) == (said, param)


@pytest.mark.parametrize(
    ("param", "text", "becomes"),
    [
        ("max_tokens", "max_tokens is 9", ("max_output_tokens", "max_output_tokens is 9")),
        ("messages", "messages is empty", ("input", "input is empty")),
        ("seed", "seed has to be", ("seed", "seed has to be")),
        (None, "max_tokens and messages[1]", (None, "max_tokens and messages[1]")),
    ],
)
def test_an_error_of_a_chat_is_told_in_the_apis_words(param: str | None, text: str, becomes: tuple[str, str]) -> None:
    error = BadRequestError(text, param=param)
    rename_fields(RESPONSES, error)
    assert (error.param, str(error)) == becomes
