"""What the real vLLM's prefix cache tells one tenant of another: of what it alone would tell, nothing.

Counted by vLLM itself, in tokens found in its cache; how long answers take is for people, in ``tests/benchmarks``.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from postil.gateway.inference.request import cache_salt
from tests.benchmarks.side_channel import Ask, body, engine_of, measured, plainly, secret
from tests.engine.conftest import Served

pytestmark = pytest.mark.engine


@pytest.fixture
def engine(served: Served) -> Iterator[httpx.Client]:
    """The vLLM behind the gateway."""
    with engine_of(served) as client:
        yield client


# They ask the base, and releases by number.
_RIGHTS = ("--right", "base", "--right", "numbers")


@pytest.fixture(scope="module")
def keys(running: list[Served]) -> dict[str, str]:
    """Two tenants that may ask the same."""
    running[0].wait_until_ready()
    added = {name: ("tenants", "add", name, "--domain", "healthcare", *_RIGHTS) for name in ("victim", "curious")}
    return {name: str(running[0].postil_json(*arguments)["key"]) for name, arguments in added.items()}


def asks(served: Served, key: str, model: str, **more: str) -> Ask:
    """Ask through the gateway."""

    def ask(text: str) -> httpx.Response:
        with served.client(key) as client:
            return client.post("/v1/chat/completions", json=body(text, model, **more))

    return ask


def test_vllm_alone_tells_whether_a_prompt_was_asked_before(engine: httpx.Client) -> None:
    text = secret()
    assert measured(engine, plainly(engine), text).found == 0
    told = measured(engine, plainly(engine), text)
    assert told.found > told.looked_up / 2
    assert measured(engine, plainly(engine), secret()).found == 0


@pytest.mark.parametrize("model", ["healthcare", "base"])
def test_through_the_gateway_nobody_finds_what_another_tenant_asked(
    served: Served, engine: httpx.Client, keys: dict[str, str], model: str
) -> None:
    text, victim, curious = secret(), asks(served, keys["victim"], model), asks(served, keys["curious"], model)
    measured(engine, victim, text)
    guess = measured(engine, curious, text)
    assert guess.looked_up > 0
    assert guess.found == 0
    # The cache is there, and a tenant has the use of its own.
    assert measured(engine, victim, text).found > guess.looked_up / 2
    assert measured(engine, curious, text).found > guess.looked_up / 2


def test_a_salt_that_a_client_sends_does_not_let_it_in(
    served: Served, engine: httpx.Client, keys: dict[str, str]
) -> None:
    text = secret()
    measured(engine, asks(served, keys["victim"], "base"), text)
    forged = asks(served, keys["curious"], "base", cache_salt=cache_salt("victim", "base"))
    assert measured(engine, forged, text).found == 0


def test_what_one_release_has_computed_is_not_used_for_another(
    served: Served, engine: httpx.Client, keys: dict[str, str]
) -> None:
    text = secret()
    measured(engine, asks(served, keys["victim"], "healthcare/triage@1"), text)
    assert measured(engine, asks(served, keys["victim"], "healthcare/triage@2"), text).found == 0
