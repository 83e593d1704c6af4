"""Streams behind windows as a client meets them: real HTTP on both sides, and OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI

from postil.plugins import Completion, Config, InputCheck, RequestContext, Span, Validator, Verdict, hookimpl, window
from tests.fakes.sse import Said, call, engine_stream, heard
from tests.fakes.vllm import FakeVLLM, Reply
from tests.fakes.windows import ban
from tests.gateway.conftest import House, bearer, running_house, until

MODEL = "legal/notes"
STOP = "validators: [{name: ban, on_fail: stop, config: {phrase: bad}}]"
REDACT = "validators: [{name: ban, on_fail: redact, config: {phrase: bad}}]"
MIXED = "validators: [{name: ban, on_fail: redact, config: {phrase: bad}}, {name: mild}]"
SAYS: Said = [(0, "so "), (0, "ba"), (0, "d it is"), (0, " and on")]


class BanConfig(Config):
    """``phrase``: what may not occur."""

    phrase: str


class Ban(Validator):
    """Forbids a phrase."""

    name = "ban"
    Config = BanConfig

    def __init__(self, config: BanConfig) -> None:
        super().__init__(config)
        self.finder = ban("ban", [config.phrase], wider=2)
        self.scope = window(self.finder.size)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with its places."""
        found = self.finder.find(completion.text, completion.offset, completion.ends)
        return Verdict.failed("forbidden", [Span(*one) for one in found]) if found else Verdict.passed()


class Mild(Validator):
    """Has to see the whole answer, and wants it without a sign."""

    name = "mild"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail at the sign."""
        return Verdict.failed("not mild") if "!" in completion.text else Verdict.passed()


class Greeting(InputCheck):
    """Passes everything, with a notice."""

    name = "greeting"

    def check(self, context: RequestContext) -> Verdict:
        """Pass."""
        return Verdict.passed(notice="hello")


class Plugin(SimpleNamespace):
    """What these tests install."""

    @hookimpl
    def postil_validators(self) -> list[type[Validator]]:
        return [Ban, Mild]

    @hookimpl
    def postil_input_checks(self) -> list[type[InputCheck]]:
        return [Greeting]


@pytest.fixture
async def firm(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with the plugins above."""
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        yield house


async def streaming(house: House, policy: str, said: Said, **options: Any) -> str:
    """Publish with a policy, have the engine say that, and return a key to ask with."""
    await house.publish(MODEL, policy)
    house.engine.raw = lambda body: engine_stream(said, n=body.get("n") or 1, **options)
    return await house.tenant("firm", "legal")


def openai_client(house: House, key: str) -> AsyncOpenAI:
    """OpenAI's own, which asks once."""
    return AsyncOpenAI(base_url=f"{house.url}/v1", api_key=key, max_retries=0)


MESSAGES: Any = [{"role": "user", "content": "hello"}]


async def test_openais_client_reads_a_redacted_stream_to_its_end(firm: House) -> None:
    key = await streaming(firm, REDACT, SAYS, usage=True)
    async with openai_client(firm, key) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "so [removed] it is and on"
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(SAYS)
    assert firm.engine.requests[-1]["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


async def test_openais_client_puts_tool_calls_of_several_choices_together(firm: House) -> None:
    pieces = [(0, call(0, arguments=one)) for one in '{"q":"bad"}']
    said: Said = [(0, call(0, "find", "", "call_0f")), (1, "good"), *pieces]
    key = await streaming(firm, REDACT, said)
    async with (
        openai_client(firm, key) as client,
        client.chat.completions.stream(model=MODEL, messages=MESSAGES, n=2) as stream,
    ):
        answer = await stream.get_final_completion()
    first, second = answer.choices
    assert first.message.tool_calls is not None
    assert json.loads(first.message.tool_calls[0].function.arguments) == {"q": "[removed]"}
    assert second.message.content == "good"


async def test_openais_client_is_told_of_a_filter_and_of_a_break(firm: House) -> None:
    key = await streaming(firm, STOP, SAYS)
    async with openai_client(firm, key) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "so "
        assert chunks[-1].choices[0].finish_reason == "content_filter"
        assert chunks[-1].to_dict()["postil"] == {"fallback": "stop (ban: forbidden)"}
        firm.engine.raw = lambda body: engine_stream([(0, "so good")], done=False)[:-1]
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        with pytest.raises(APIError, match="broke off"):
            async for _ in stream:
                pass


async def test_openais_client_reads_text_completions(firm: House) -> None:
    key = await streaming(firm, STOP, SAYS, chat=False)
    async with openai_client(firm, key) as client:
        stream = await client.completions.create(model=MODEL, prompt="hello", stream=True)
        choices = [chunk.choices[0] async for chunk in stream]
    assert ("".join(choice.text for choice in choices), choices[-1].finish_reason) == ("so ", "content_filter")


async def test_the_engine_stops_when_the_answer_has_ended(firm: House) -> None:
    key = await streaming(firm, STOP, [])
    firm.engine.raw = lambda body: [*engine_stream(SAYS, done=False)[:-1], b""]
    response = await firm.ask(key, stream=True)
    assert heard(response.content, MODEL).text == "so "
    await until(lambda: firm.engine.cancelled == 1)


async def test_text_leaves_while_the_engine_still_speaks(firm: House) -> None:
    key = await streaming(firm, STOP, [])
    firm.engine.raw = lambda body: [*engine_stream([(0, "all of it is fine so far")], done=False)[:-1], b""]
    body = {"messages": [{"role": "user", "content": "tell me"}], "stream": True}
    text = b""
    async with firm.client.stream("POST", "/v1/chat/completions", headers=bearer(key), json=body) as response:
        async for chunk in response.aiter_bytes():
            text += chunk
            if b"all of it is fine so" in text:
                break
    await until(lambda: firm.engine.cancelled == 1)


async def test_a_whole_answer_is_treated_as_its_stream(firm: House) -> None:
    key = await streaming(firm, REDACT, [])
    firm.engine.reply = lambda body: Reply("so bad it is")
    response = await firm.ask(key)
    choice = response.json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("so [removed] it is", "stop")
    assert response.headers["x-postil-fallback"] == "redact (ban: forbidden)"
    firm.engine.reply = lambda body: Reply("so good")
    assert "x-postil-fallback" not in (await firm.ask(key)).headers


async def test_tokens_of_what_may_not_leave_do_not_leave(firm: House) -> None:
    key = await streaming(firm, REDACT, [])
    firm.engine.reply = lambda body: Reply("so bad it is")
    for streams in (False, True):
        response = await firm.ask(key, logprobs=True, stream=streams)
        assert firm.engine.requests[-1]["stream"] is False
        assert "bad" not in response.text
        assert "[removed]" in response.text


async def test_a_validator_that_has_to_see_all_judges_what_the_windows_leave(firm: House) -> None:
    key = await streaming(firm, MIXED + "\nfallback: [{name: fixed_answer, config: {content: quiet}}]", [])
    firm.engine.reply = lambda body: Reply("so bad it is")
    response = await firm.ask(key, stream=True)
    assert firm.engine.requests[-1]["stream"] is False
    assert '"content":"so [removed] it is"' in response.text
    firm.engine.reply = lambda body: Reply("so bad!")
    assert '"content":"quiet"' in (await firm.ask(key, stream=True)).text


async def test_an_input_check_alone_does_not_keep_a_stream_from_running(firm: House) -> None:
    key = await streaming(firm, "input: [{name: greeting}]", SAYS)
    response = await firm.ask(key, stream=True)
    stream = heard(response.content, MODEL)
    assert (stream.text, stream.choices[0].told) == ("so bad it is and on", {"notice": "hello"})
    assert response.headers["x-postil-notice"] == "hello"
    assert firm.engine.requests[-1]["stream"] is True


async def test_what_the_engine_refuses_is_refused_before_the_stream_begins(firm: House) -> None:
    key = await streaming(firm, STOP, SAYS)
    response = await firm.client.post("/v1/chat/completions", headers=bearer(key), json={"messages": 7, "stream": True})
    assert response.status_code == 400


async def test_weights_that_the_engine_lost_are_loaded_again_for_a_stream(firm: House) -> None:
    key = await streaming(firm, STOP, SAYS)
    firm.engine.adapters.clear()
    assert heard((await firm.ask(key, stream=True)).content, MODEL).text == "so "


async def test_the_next_answer_comes_over_the_same_connection(firm: House) -> None:
    """A stream that was heard to its end leaves its connection to the next one."""
    key = await streaming(firm, STOP, [(0, "so good")])
    client, _ = firm.runtime.engine.ready()
    for _ in range(5):
        assert heard((await firm.ask(key, stream=True)).content, MODEL).text == "so good"
    await until(lambda: len(idle_connections(client)) == 1)


def idle_connections(client: Any) -> list[Any]:
    """The engine's connections that wait for a request."""
    return list(client._http._idle)
