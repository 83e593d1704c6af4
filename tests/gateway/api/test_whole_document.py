"""schemathesis over the whole OpenAPI document: whatever is sent to whichever route, with a key or without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.gateway.conftest import House

# What a document promises: the statuses, the types of the bodies, and what is in them.
DOCUMENTED = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
# Of these the document tells the parameters that are postil's own; the rest is vLLM's.
RAW = ("/v1/chat/completions", "/v1/completions")
EXAMPLES = int(os.environ.get("POSTIL_TEST_SCHEMA_EXAMPLES", "5"))
_QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    derandomize=EXAMPLES < 100,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("keyed", [True, False], ids=["admin", "no key"])
async def test_no_route_fails_or_tells_where_it_runs(house: House, keyed: bool) -> None:
    await house.publish("healthcare/triage")
    seen = await asyncio.to_thread(ask_all, house, house.admin_key if keyed else None)
    document = (await house.client.get("/api/v1/docs/openapi.json")).json()
    operations = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert {(method, path) for method, path, mode in seen if mode is GenerationMode.POSITIVE} == operations
    assert any(mode is GenerationMode.NEGATIVE for _, _, mode in seen)


async def test_every_answer_and_every_error_of_the_admin_api_has_a_schema(house: House) -> None:
    document = (await house.client.get("/api/v1/docs/openapi.json")).json()
    operations = {
        f"{method} {path}": operation["responses"]
        for path, item in document["paths"].items()
        if path.startswith("/api/v1")
        for method, operation in item.items()
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for where, responses in operations.items():
        assert {"400", "401", "403", "503"} <= responses.keys(), where
        errors = {status: answer["content"] for status, answer in responses.items() if status >= "4"}
        assert errors == dict.fromkeys(errors, problem), where
    untyped = {
        where
        for where, responses in operations.items()
        for status, answer in responses.items()
        if status < "3" and "$ref" not in answer.get("content", {}).get("application/json", {}).get("schema", {})
    }
    assert untyped == {
        "delete /api/v1/tenants/{name}",  # It answers nothing.
        "delete /api/v1/webhooks/{name}",  # Nor does it.
        "get /api/v1/adapters/{domain}/{adapter}/releases/{number}/artifact",  # A tar.
        "get /api/v1/policy-schema",  # A JSON schema.
    }


def ask_all(house: House, key: str | None) -> set[tuple[str, str, GenerationMode]]:
    """Ask every operation; returns which were asked, and with what: what fits the document, or what does not."""
    schema = schemathesis.openapi.from_url(f"{house.url}/api/v1/docs/openapi.json")
    schema.config.generation.modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    seen: set[tuple[str, str, GenerationMode]] = set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        def ask(case: Any, mode: GenerationMode) -> None:
            seen.add((case.method.upper(), case.path, mode))
            answer = case.call(headers=headers, timeout=20)
            if case.path not in RAW:
                case.validate_response(answer, checks=DOCUMENTED)
            check(house, f"{case.method} {case.path}", answer.status_code, answer.content, answer.headers, key)

        for mode in GenerationMode:
            strategy = operation.as_strategy(generation_mode=mode)
            run(strategy, partial(ask, mode=mode), may_be_none=mode is GenerationMode.NEGATIVE)
    return seen


def run(strategy: Any, ask: Callable[[Any], None], *, may_be_none: bool) -> None:
    """Ask what is made."""

    @_QUIET
    @given(case=strategy)
    def asked(case: Any) -> None:
        ask(case)

    try:
        asked()
    except (Unsatisfiable, pytest.skip.Exception):
        assert may_be_none  # Where nothing can be wrong, nothing wrong can be made.


def check(house: House, where: str, status: int, body: bytes, headers: Any, key: str | None) -> None:
    """No 5xx, no traceback, no path, no key; and who has no key gets nothing."""
    assert status < 500, f"{where}: {status} {body[:500]!r}"
    for secret in (str(house.folder).encode(), b"Traceback", b'File "', b"site-packages", house.admin_key.encode()):
        assert secret not in body, f"{where}: {body[:500]!r}"
        assert secret.decode() not in str(headers), where
    if status >= 400:
        kind = "".join(headers.get("content-type", headers.get("Content-Type", "")))
        assert ("problem+json" in kind) is where.split()[1].startswith(("/api", "/health")), f"{where}: {status} {kind}"
    if key is None and where.split()[1].startswith(("/api", "/v1", "/tokenize", "/detokenize")):
        assert status >= 400, where
