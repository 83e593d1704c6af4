"""What people suffer from elsewhere in guardrails, by its symptom: none of it may happen here. The engine is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from postil.plugins import Completion, RequestContext, Validator, Verdict, hookimpl
from tests.fakes.sse import Said, engine_stream, heard
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import House, bearer, running_house

MODEL = "legal/notes"
TEXT = "the secret word is a secret"
FIXED = "fallback: [{name: fixed_answer, config: {content: held}}]"


class Crashing(Validator):
    """One whose service cannot be reached."""

    name = "crashing"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Raise."""
        raise ConnectionError("no moderation service here")


@pytest.fixture
async def firm(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with a validator that crashes."""
    plugin = SimpleNamespace(postil_validators=hookimpl(specname="postil_validators")(lambda: [Crashing]))
    async with running_house(tmp_path, *engine_at, plugins=[plugin]) as house:
        yield house


async def asked(house: House, policy: str, *, stream: bool, said: Said | None = None) -> httpx.Response:
    """Publish with a policy, and ask an engine that says ``said``."""
    number = await house.publish(MODEL, policy)
    if said is not None:
        house.engine.raw = lambda body: engine_stream(said)
    key = await house.tenant(f"firm-{number}", "legal")
    body = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    return await house.client.post("/v1/chat/completions", headers=bearer(key), json=body)


@pytest.mark.parametrize("act", ["stop", "redact", "replace"])
async def test_moderation_of_a_stream_does_not_only_detect_after_the_text_has_left(house: House, act: str) -> None:
    """LiteLLM 31389: the moderation of streams found what it should have kept back, when it was gone."""
    policy = f"validators: [{{name: blocklist, on_fail: {act}, config: {{phrases: [secret]}}}}]"
    answer = await asked(house, policy, stream=True, said=[(0, piece) for piece in TEXT])
    said = heard(answer.content, MODEL).choices[0]
    assert "secret" not in said.text
    assert said.finish == ("stop" if act == "redact" else "content_filter")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_guardrail_that_was_skipped_is_not_told_as_a_success(
    firm: House, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    """LiteLLM 35257: a guardrail did not run, the answer left, and the log said success."""
    firm.engine.reply = lambda body: Reply("Everything is fine.")
    closed = await asked(firm, f"validators: [{{name: crashing}}]\n{FIXED}", stream=stream)
    assert "fine" not in closed.text
    assert "held" in closed.text
    assert "did not run" in closed.headers["x-postil-fallback"]
    assert "crashing of legal/notes@1 did not run: it raised ConnectionError" in caplog.text
    review = "reviews: {audit_percent: 100}"
    opened = await asked(firm, f"validators: [{{name: crashing, if_not_run: pass}}]\n{review}", stream=stream)
    assert "fine" in opened.text
    assert "crashing of legal/notes@2 did not run" in caplog.text
    await firm.runtime.reviews.stop()
    (row,) = (await firm.admin("GET", "/api/v1/reviews")).json()["data"]
    review_read = (await firm.admin("GET", f"/api/v1/reviews/{row['id']}")).json()
    assert [verdict["outcome"] for verdict in review_read["verdicts"]] == ["did-not-run"]


async def test_asking_again_is_not_refused_where_the_client_streams(house: House) -> None:
    """Guardrails 928: what mends or asks again cannot be used with a stream."""
    house.engine.reply = lambda body: Reply("clean" if "Say it otherwise" in str(body["messages"]) else TEXT)
    policy = """
    validators: [{name: blocklist, config: {phrases: [secret]}}]
    fallback: [{name: ask_again, config: {instruction: Say it otherwise}}]
    """
    answer = await asked(house, policy, stream=True)
    assert '"content":"clean"' in answer.text
    assert "secret" not in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")
    assert "ask_again" in answer.headers["x-postil-fallback"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, len(TEXT)])
async def test_the_verdict_does_not_depend_on_the_size_of_the_chunks(house: House, size: int) -> None:
    """Guardrails 1118: the same text failed in one chunk and passed in many."""
    policy = "validators: [{name: blocklist, on_fail: redact, config: {phrases: [secret word]}}]"
    said: Said = [(0, TEXT[at : at + size]) for at in range(0, len(TEXT), size)]
    answer = await asked(house, policy, stream=True, said=said)
    assert heard(answer.content, MODEL).text == "the [removed] is a secret"
