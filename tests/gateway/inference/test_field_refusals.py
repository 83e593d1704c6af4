"""A field that is not taken is refused with the same code at every endpoint, so that clients need know one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.fields.beside import EMBEDDINGS, TOKENIZE, check_body
from postil.gateway.inference.fields.check import check_fields
from postil.gateway.inference.formats import TRANSLATED, Kind

HELLO = [{"role": "user", "content": "hello"}]
RESPONSES, MESSAGES = TRANSLATED
# What takes a body, a good body, and a field of each endpoint's that is known and not taken there.
ENDPOINTS: Mapping[str, tuple[Callable[[dict[str, Any]], object], dict[str, Any], tuple[str, Any]]] = {
    "chat": (lambda body: check_fields(Kind.CHAT, body), {"messages": HELLO}, ("priority", 5)),
    "text": (lambda body: check_fields(Kind.TEXT, body), {"prompt": "a"}, ("priority", 5)),
    "tokenize": (lambda body: check_body(TOKENIZE, body), {"prompt": "a"}, ("chat_template", "{{ messages }}")),
    "embeddings": (lambda body: check_body(EMBEDDINGS, body), {"input": "a"}, ("priority", 5)),
    "responses": (RESPONSES.translate, {"input": "a"}, ("previous_response_id", "resp_1")),
    "messages": (MESSAGES.translate, {"messages": HELLO, "max_tokens": 1}, ("mcp_servers", [{"url": "a"}])),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_refusals_have_one_code_each(endpoint: str) -> None:
    take, good, (refused, value) = ENDPOINTS[endpoint]
    take(dict(good))
    assert refusal(take, {**good, "modle": "a"}) == ("unknown_parameter", "modle")
    assert refusal(take, {**good, refused: value}) == ("unsupported_parameter", refused)
    assert refusal(take, {**good, "model": 1}) == ("invalid_value", "model")
    needed = next(iter(good))
    assert refusal(take, {name: value for name, value in good.items() if name != needed}) == (
        "missing_required_parameter",
        needed,
    )


def test_a_name_of_a_megabyte_is_not_repeated() -> None:
    for take, good, _ in ENDPOINTS.values():
        with pytest.raises(BadRequestError) as caught:
            take({**good, "x" * 2**20: 1})
        assert len(str(caught.value)) < 200


def refusal(take: Callable[[dict[str, Any]], object], body: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(BadRequestError) as caught:
        take(body)
    return caught.value.code, caught.value.param
