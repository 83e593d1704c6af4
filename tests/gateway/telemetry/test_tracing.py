"""Traces, through a real gateway and a real exporter, as a collector gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.collector import Collector, values
from tests.fakes.vllm import Reply
from tests.gateway.channel_acts import NAME, opened, shadow
from tests.gateway.conftest import FREE_TEXT, House, bearer, running_house, until
from tests.gateway.telemetry.traces import ASKED, CHAT, PARENT, Engine
from tests.gateway.telemetry.traces import collector as collector

REVIEWED = """
output: {labels: [symptoms, billing]}
validators:
  - name: labels
  - name: confidence
    config: {minimum: 0.5}
fallback:
  - name: ask_again
    config: {sampling: {temperature: 0.5}}
  - name: review
    config: {content: wait}
"""


@pytest.fixture
async def house(collector: Collector, tmp_path: Path, engine_at: Engine) -> AsyncIterator[House]:
    """A gateway that exports."""
    async with running_house(tmp_path, *engine_at) as running:
        yield running


async def root_of(collector: Collector, number: int = 0) -> Span:
    """The span of a request, once it is exported: with it all of its parts are, which ended before."""
    await until(lambda: len(collector.roots()) > number)
    return collector.roots()[number]


async def test_a_held_request_that_was_asked_again_is_one_tree(house: House, collector: Collector) -> None:
    house.engine.reply = lambda body: Reply('{"category": "billing"}', logprob=-1.0)
    await house.publish(NAME, REVIEWED)
    key = await house.tenant("clinic", "healthcare")
    headers = {**bearer(key), "traceparent": PARENT, "X-Request-Id": "mine"}
    response = await house.client.post(CHAT, headers=headers, json=ASKED)
    assert response.status_code == 200
    root = await root_of(collector)
    assert (root.name, root.trace_id.hex(), root.parent_span_id.hex()) == (f"POST {CHAT}", *PARENT.split("-")[1:3])
    assert values(root.attributes) == {
        "http.request.method": "POST",
        "http.route": CHAT,
        "url.path": CHAT,
        "url.scheme": "http",
        "http.response.status_code": 200,
        "postil.request.id": "mine",
        "postil.tenant": "clinic",
        "postil.adapter": NAME,
        "postil.release": f"{NAME}@1",
        "postil.reason": "stable",
        "postil.outcome": "held",
        "postil.review.id": response.headers["x-postil-review"],
    }
    assert root.status.code == root.status.STATUS_CODE_UNSET
    parts = collector.parts_of(root)
    judged = ["postil.validate labels", "postil.validate confidence"]
    asked = ["postil.admission", f"chat {NAME}@1", *judged]
    held = ["postil.fallback review", "postil.review"]
    assert [part.name for part in parts] == [*asked, "postil.fallback ask_again", *asked, *held]
    assert {part.trace_id for part in parts} == {root.trace_id}
    assert len(collector.spans) == 1 + len(parts)


async def test_a_call_of_the_engine_has_the_models_names_and_the_tokens(house: House, collector: Collector) -> None:
    await house.publish(NAME, FREE_TEXT)
    key = await house.tenant("clinic", "healthcare")
    response = await house.ask(key, model="healthcare", temperature=0.25, max_tokens=7, seed=5, n=2)
    assert response.status_code == 200
    root = await root_of(collector)
    call = next(part for part in collector.parts_of(root) if part.kind == Span.SPAN_KIND_CLIENT)
    used = response.json()["usage"]
    assert values(call.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": f"{NAME}@1",
        "gen_ai.request.stream": False,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.max_tokens": 7,
        "gen_ai.request.temperature": 0.25,
        "gen_ai.request.seed": 5,
        "gen_ai.usage.input_tokens": used["prompt_tokens"],
        "gen_ai.usage.output_tokens": used["completion_tokens"],
        "postil.engine_request.kind": "answer",
    }
    assert not [name for name in values(root.attributes) if name.startswith("gen_ai")]


async def test_the_engine_is_told_the_span_that_asks_it(house: House, collector: Collector) -> None:
    await house.publish(NAME, FREE_TEXT)
    key = await house.tenant("clinic", "healthcare")
    house.engine.parents.clear()
    for stream in (False, True):
        assert (await house.ask(key, model="healthcare", stream=stream)).status_code == 200
    await root_of(collector, 1)
    calls = collector.named("chat ")
    told = [parent.split("-") for parent in house.engine.parents]
    assert [each[:3] for each in told] == [["00", call.trace_id.hex(), call.span_id.hex()] for call in calls]
    assert len(told) == 2
    assert all(int(flags, 16) & 1 for *_, flags in told), "they are sampled"


async def test_a_verdict_is_an_event_with_its_kind_and_no_words(house: House, collector: Collector) -> None:
    house.engine.reply = lambda body: Reply('{"category": "billing"}', logprob=-1.0)
    await house.publish(NAME, REVIEWED)
    key = await house.tenant("clinic", "healthcare")
    await house.ask(key, model="healthcare", text="my secret illness")
    await root_of(collector)
    labels, confidence = collector.named("postil.validate")[:2]
    for span, name, verdict in ((labels, "labels", "passed"), (confidence, "confidence", "failed")):
        said = values(span.attributes)
        assert (said["postil.validator"], said["postil.verdict"]) == (name, verdict)
        [event] = span.events
        assert event.name == "gen_ai.evaluation.result"
        assert values(event.attributes) == {
            "gen_ai.evaluation.name": name,
            "gen_ai.evaluation.score.label": verdict,
        }
    rules = [values(span.attributes) for span in collector.named("postil.fallback")]
    assert rules == [{"postil.substitute": "AskAgain"}, {"postil.substitute": "Hold"}]


async def test_no_text_of_a_request_or_an_answer_is_exported(house: House, collector: Collector) -> None:
    house.engine.reply = lambda body: Reply('{"category": "hidden words"}')
    await house.publish(NAME, REVIEWED)
    key = await house.tenant("clinic", "healthcare")
    await house.ask(key, model="healthcare", text="my secret illness", user="somebody")
    await root_of(collector)
    sent = b"".join(collector.raw)
    assert b"postil.validate" in sent
    assert not [word for word in (b"secret", b"hidden", b"somebody", key.encode()) if word in sent]


async def test_a_stream_ends_its_span_with_tokens_and_the_time_to_its_first_bytes(
    house: House, collector: Collector
) -> None:
    await house.publish(NAME, FREE_TEXT)
    key = await house.tenant("clinic", "healthcare")
    await house.ask(key, model="healthcare", stream=True)
    root = await root_of(collector)
    said = values(root.attributes)
    assert said["postil.outcome"] == "answered"
    assert float(str(said["postil.time_to_first_chunk"])) > 0
    [call] = collector.named("chat ")
    told = values(call.attributes)
    assert told["gen_ai.request.stream"] is True
    assert int(str(told["gen_ai.usage.output_tokens"])) > 0


async def test_the_base_and_text_completions_have_names_too(house: House, collector: Collector) -> None:
    key = await house.tenant("clinic", "healthcare")
    body = {"model": "base", "prompt": "once"}
    assert (await house.client.post("/v1/completions", headers=bearer(key), json=body)).status_code == 200
    root = await root_of(collector)
    assert root.name == "POST /v1/completions"
    assert values(root.attributes)["postil.release"] == "base"
    assert [part.name for part in collector.parts_of(root)] == ["postil.admission", "text_completion base"]


async def test_a_request_that_is_refused_is_a_span_and_no_error_of_ours(house: House, collector: Collector) -> None:
    response = await house.client.post(CHAT, json=ASKED)
    assert response.status_code == 401
    root = await root_of(collector)
    assert values(root.attributes)["http.response.status_code"] == 401
    assert root.status.code == root.status.STATUS_CODE_UNSET
    assert (await house.client.get(CHAT)).status_code == 405
    await house.client.post(CHAT, json=ASKED)
    await root_of(collector, 1)
    assert len(collector.spans) == 2, "what is no POST has no span"


async def test_an_engine_that_fails_is_an_error_of_both_spans(house: House, collector: Collector) -> None:
    await house.publish(NAME, FREE_TEXT)
    key = await house.tenant("clinic", "healthcare")
    house.engine.reply = lambda body: Reply(status=500)
    response = await house.ask(key, model="healthcare")
    assert response.status_code >= 500
    root = await root_of(collector)
    [call] = collector.named("chat ")
    for span, kind in ((root, str(response.status_code)), (call, "EngineRefusedError")):
        assert span.status.code == span.status.STATUS_CODE_ERROR
        assert span.status.message == ""
        assert values(span.attributes)["error.type"] == kind
    assert values(root.attributes)["postil.outcome"] == "engine_error"


async def test_a_client_that_leaves_ends_all_spans(house: House, collector: Collector) -> None:
    await house.publish(NAME, FREE_TEXT)
    key = await house.tenant("clinic", "healthcare")
    house.engine.gate.clear()
    asking = asyncio.create_task(house.ask(key, model="healthcare"))
    await until(lambda: len(house.engine.requests) == 1)
    asking.cancel()
    root = await root_of(collector)
    said = values(root.attributes)
    assert said["postil.outcome"] == "client_left"
    assert "http.response.status_code" not in said
    [call] = collector.named("chat ")
    assert values(call.attributes)["error.type"] == "CancelledError"


async def test_a_traceparent_that_cannot_be_read_begins_a_trace(house: House, collector: Collector) -> None:
    key = await house.tenant("clinic", "healthcare")
    given = [PARENT, "00-0-0-01", "nonsense", PARENT.replace("4bf9", "4BF9X")]
    for each in given:
        await house.client.post(CHAT, headers={**bearer(key), "traceparent": each}, json={**ASKED, "model": "base"})
    twice = [(b"traceparent", PARENT.encode())] * 2 + [(b"authorization", f"Bearer {key}".encode())]
    await house.client.post(CHAT, headers=twice, json={**ASKED, "model": "base"})
    await root_of(collector, 4)
    taken = [root.trace_id.hex() == PARENT.split("-")[1] for root in collector.roots()]
    assert taken == [True, False, False, False, False]


async def test_a_client_that_does_not_sample_has_no_spans_and_the_engine_is_told_so(
    house: House, collector: Collector
) -> None:
    key = await house.tenant("clinic", "healthcare")
    house.engine.parents.clear()
    not_sampled = f"{PARENT[:-2]}00"
    headers = {**bearer(key), "traceparent": not_sampled}
    await house.client.post(CHAT, headers=headers, json={**ASKED, "model": "base"})
    await house.ask(key, model="base")
    await root_of(collector)
    assert len(collector.roots()) == 1
    [told, _] = house.engine.parents
    assert told.split("-")[1::2] == [PARENT.split("-")[1], "00"]


async def test_a_copy_for_a_shadow_is_a_trace_of_its_own_that_is_linked(house: House, collector: Collector) -> None:
    key = await opened(house)
    await shadow(house, 2)
    await house.ask(key, model="healthcare")
    root = await root_of(collector)
    await until(lambda: bool(collector.named("postil.shadow")))
    [copy] = collector.named("postil.shadow")
    assert copy.trace_id != root.trace_id
    assert [(link.trace_id, link.span_id) for link in copy.links] == [(root.trace_id, root.span_id)]
    assert values(copy.attributes)["postil.release"] == f"{NAME}@2"
    parts = [part.name for part in collector.parts_of(copy)]
    assert parts[:2] == ["postil.admission", f"chat {NAME}@2"]
    kinds = {call.name: values(call.attributes)["postil.engine_request.kind"] for call in collector.named("chat ")}
    assert kinds == {f"chat {NAME}@1": "answer", f"chat {NAME}@2": "shadow"}
