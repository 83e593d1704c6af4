"""Answers streamed behind windows: from the engine's bytes to the client's, without HTTP around them."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest

from postil.gateway.inference.formats import Kind
from postil.gateway.inference.shadow import texts_of
from postil.plugins import Completion, RequestContext, Validator, Verdict, window
from postil.registry.policy.policy import Policy, ValidatorUse
from tests.fakes.sse import DONE, Heard, Said, call, engine_stream, event, heard
from tests.fakes.windows import Case, Cases, ban, pieces
from tests.fakes.windows_law import model
from tests.fakes.windows_path import MODEL, FindingValidator, Way, one_rule, stream_of

# The same text as each of the texts that a choice can have.
CHANNELS = ("content", "reasoning", "reasoning_content", "refusal", "arguments", "text")


def cut_bytes(data: bytes, pick: random.Random) -> list[bytes]:
    """Reads that end anywhere: within an event, within a character."""
    edges = sorted(pick.randrange(len(data) + 1) for _ in range(pick.randrange(12)))
    return [data[a:b] for a, b in zip([0, *edges], [*edges, len(data)], strict=True)]


def delta(channel: str, text: str) -> str | dict[str, Any]:
    """A piece of text in its place."""
    if channel == "text":
        return text
    if channel == "arguments":
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    return {channel: text}


def text_of(choice: Heard, channel: str) -> str:
    """What arrived in its place."""
    if channel == "arguments":
        return str(choice.calls[0]["arguments"])
    return choice.texts.get(channel, "")


def way_of(case: Case, **options: Any) -> Way:
    """A request with the case's validators in force."""
    return Way(
        [(rule.use, FindingValidator(finder)) for rule, finder in zip(case.rules, case.finders, strict=True)], **options
    )


def begun(channel: str) -> list[tuple[int, Any]]:
    """What comes before the text, for both choices."""
    call = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "\0", "arguments": ""}}
    return [(index, {"tool_calls": [call]}) for index in (0, 1)] if channel == "arguments" else []


def interleaved(case: Case, channel: str, pick: random.Random) -> list[tuple[int, Any]]:
    """Two choices that say the same, cut differently."""
    cut = [(index, pieces(case.text, pick.choice(case.cuts))) for index in (0, 1)]
    queues, mixed = [[(index, delta(channel, piece)) for piece in cuts] for index, cuts in cut], []
    while any(queues):
        mixed.append(pick.choice([queue for queue in queues if queue]).pop(0))
    return mixed


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_law_holds_from_the_engines_bytes_to_the_clients(channel: str) -> None:
    pick, cases, main = random.Random(channel), Cases(len(channel)), channel in ("content", "text")
    chat = channel != "text"
    for case in (cases.draw() for _ in range(400)):
        if not (case.text or main):
            continue
        told = model(case)
        instead = told.over.use.replacement if told.over and told.over.use.on_fail == "replace" else ""
        events = engine_stream([*begun(channel), *interleaved(case, channel, pick)], chat=chat, n=2)
        way = way_of(case, kind=Kind.CHAT if chat else Kind.TEXT, n=2)
        found = stream_of(way, cut_bytes(b"".join(events), pick), chat=chat)
        for choice in found.choices.values():
            assert text_of(choice, channel) == told.text + (instead if main else "")
            assert main or choice.text == instead
            assert choice.finish == ("content_filter" if told.over else "stop")
        assert way.record.failed_validation == (found.choices[0].told != {})


def test_a_whole_answer_becomes_what_its_stream_becomes() -> None:
    cases = Cases(11)
    for case in (cases.draw() for _ in range(400)):
        stream = stream_of(way_of(case), engine_stream((0, piece) for piece in case.text)).choices[0]
        choice = {"index": 0, "message": {"role": "assistant", "content": case.text}, "finish_reason": "stop"}
        whole = asyncio.run(way_of(case).settle(dict(choice)))
        assert (whole["message"]["content"] or "", whole["finish_reason"]) == (stream.text, stream.finish)
        assert (whole == choice) == (not stream.told), "what passes is left as it was, to the last field"


async def test_a_long_answer_that_fails_everywhere_leaves_others_their_turn() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "bad" * 300}, "finish_reason": "stop"}
    # By the clock, each question about a part takes 1/1024 s: after five, others get their turn.
    reads = itertools.count()
    way = one_rule("redact", clock=lambda: next(reads) / 1024)
    work, turns = asyncio.ensure_future(way.settle(choice)), 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await work)["message"]["content"] == "[removed]"
    questions = next(reads) // 2
    assert turns == 1 + (questions - 1) // 5


def test_no_more_is_held_back_than_the_window() -> None:
    text, finder = "all of this is good", ban("ban", ["bad"], wider=4)
    writes = asyncio.run(one_rule("stop", finder).stream(engine_stream([(0, one) for one in text])))
    role, *writes, _, _ = writes
    for come in range(len(writes)):
        assert texts_of(Kind.CHAT, role + b"".join(writes[: come + 1])) == [text[: come + 1]]
    assert len(writes) == len(text) - finder.size + 1


def test_what_is_allowed_comes_with_all_that_clients_expect() -> None:
    way = one_rule("stop", stream_options={"include_usage": True})
    stream = stream_of(way, engine_stream([(0, "so "), (0, "good")], usage=True, finish="length"))
    assert (stream.text, stream.choices[0].finish) == ("so good", "length")
    assert stream.usage == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert all("usage" in chunk for chunk in stream.chunks)
    assert stream.choices[0].told == {}
    assert (way.cancelled, way.record.failed_validation, way.record.engine_error) == (False, False, False)


def test_who_asks_for_no_usage_gets_none() -> None:
    stream = stream_of(one_rule("stop"), engine_stream([(0, "so bad it is")], usage=True))
    assert not any("usage" in chunk for chunk in stream.chunks)


def test_a_stop_ends_the_engines_request_and_counts_what_was_used() -> None:
    way = one_rule("stop", stream_options={"include_usage": True})
    said = [(0, piece) for piece in ("so ", "bad", " it is", " and", " on")]
    stream = stream_of(way, engine_stream(said, usage=True))
    assert (stream.text, stream.choices[0].finish) == ("so ", "content_filter")
    assert stream.choices[0].told == {"fallback": "stop (ban: forbidden)"}
    assert stream.usage == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    assert (way.cancelled, way.record.failed_validation, way.record.fell_back) == (True, True, True)


def test_choices_end_each_for_itself() -> None:
    way = one_rule("replace", n=2)
    events = engine_stream([(0, "so bad it is"), (1, "so "), (0, " and more"), (1, "good it is")], n=2)
    stream = stream_of(way, events)
    assert (stream.choices[0].text, stream.choices[0].finish) == ("so [removed]", "content_filter")
    assert (stream.choices[1].text, stream.choices[1].finish) == ("so good it is", "stop")
    assert (stream.choices[0].told, stream.choices[1].told) == ({"fallback": "replace (ban: forbidden)"}, {})


@pytest.mark.parametrize(("body", "cancelled"), [({"n": 2}, True), ({"prompt": ["a", "b"]}, False)])
def test_the_engine_is_cancelled_when_all_choices_that_can_come_have_ended(body: Any, cancelled: bool) -> None:
    way = one_rule("stop", kind=Kind.TEXT, **body)
    stream = stream_of(
        way, engine_stream([(0, "so bad."), (1, "bad bad."), (0, "and"), (1, "on")], chat=False, n=2), chat=False
    )
    assert [stream.choices[index].text for index in (0, 1)] == ["so ", ""]
    assert way.cancelled == cancelled


def test_what_stood_before_in_another_text_still_arrives() -> None:
    said: Said = [(0, {"reasoning": "I think"}), (0, "so bad it is"), (0, call(0, "find", "{}", "call_0"))]
    choice = stream_of(one_rule("stop"), engine_stream(said)).choices[0]
    assert (choice.texts["reasoning"], choice.text, choice.calls) == ("I think", "so ", {})


class Speaks(Validator):
    """Passes everything, with a notice and a review for a sign."""

    name = "speaks"
    scope = window(3)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Pass."""
        if "!" in completion.text:
            return Verdict.passed(notice="loud", review="it is loud")
        return Verdict.passed()


def test_notices_and_reviews_are_told_where_a_choice_ends() -> None:
    way = Way([(ValidatorUse(name="speaks", on_fail="stop"), Speaks({}))])
    thoughts: Said = [(0, {"reasoning": "hm!"})]
    choice = stream_of(way, engine_stream([*thoughts, *((0, one) for one in "good! good!")])).choices[0]
    assert choice.told == {"notice": "loud", "review": "review-1"}
    (opening,) = way.kept.opened
    assert (opening.answer, opening.reason, opening.holding) == ("good! good!", "it is loud", None)


def test_a_sample_of_what_was_streamed_goes_to_reviewers() -> None:
    way = one_rule("redact", policy=Policy.model_validate({"reviews": {"sample": 100}}))
    stream_of(way, engine_stream([(0, "so bad it is")]))
    assert [opening.answer for opening in way.kept.sampled] == ["so [removed] it is"]


class Breaks(Validator):
    """A validator with a fault."""

    name = "breaks"
    scope = window(3)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Break at a sign."""
        assert "!" not in completion.text
        return Verdict.passed()


@pytest.mark.parametrize(("if_not_run", "text"), [("fail", "go"), ("pass", "good! good")])
def test_a_validator_that_breaks_has_not_passed_unless_the_policy_says_so(if_not_run: Any, text: str) -> None:
    use = ValidatorUse(name="breaks", on_fail="redact", if_not_run=if_not_run)
    choice = stream_of(Way([(use, Breaks({}))]), engine_stream((0, one) for one in "good! good")).choices[0]
    assert choice.text == text
    assert choice.finish == ("content_filter" if if_not_run == "fail" else "stop")


def test_a_shadow_is_compared_with_what_left() -> None:
    way = one_rule("redact", shadow=True)
    body = b"".join(asyncio.run(way.stream(engine_stream([(0, "so bad it is")]))))
    assert b"".join(way.record.raw or []) == body
    assert texts_of(Kind.CHAT, body) == ["so [removed] it is"]


@pytest.mark.parametrize(
    "wrong",
    [
        b'data: {"error": {"message": "secret"}}\n\n',
        b"data: secret\n\n",
        b'data: {"choices": [{"index": 0, "delta": {"content": ["secret"]}}]}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {"content": "secret \xff"}}]}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {"content": "secret \\ud800"}}]}\n\n',
        event([{"index": 0, **{"delta": call(0, "one", "secret", "call_1")}}])
        + event([{"index": 0, "delta": call(0, "two")}]),
        b"",
        b'data: {"choices": [{"index": 0, "delta": {"content": "secret',
    ],
)
def test_what_no_engine_should_send_is_an_error_and_never_passed_on(wrong: bytes) -> None:
    way = one_rule("stop")
    *whole, _, _ = engine_stream([(0, "so good it is")])
    stream = stream_of(way, [*whole, wrong])
    assert stream.error is not None
    assert stream.error["code"] == "engine_unavailable"
    assert "secret" not in str(stream)
    assert stream.text == "so good i"
    assert (way.record.engine_error, way.ended) == (True, [way.record])


def test_what_nobody_judges_has_no_way_out() -> None:
    said = {"content": "so good", "audio": "secret", "function_call": {"name": "secret"}, "role": "secret"}
    choice = {"index": 0, "delta": said, "logprobs": {"content": "secret"}, "token_ids": [1], "finish_reason": "stop"}
    body = b"".join(asyncio.run(one_rule("stop").stream([event([choice], prompt_text="secret"), DONE])))
    assert b"secret" not in body
    assert b"token_ids" not in body
    assert heard(body, MODEL).text == "so good"


def test_events_may_end_as_the_standard_allows_and_comments_are_none() -> None:
    reads = [read.replace(b"\n", b"\r\n") for read in engine_stream([(0, "so good")])]
    assert stream_of(one_rule("stop"), [b": a comment\r\n\r\nevent: x\r\n", *reads]).text == "so good"


def test_what_comes_after_the_end_is_not_part_of_it() -> None:
    *whole, done = engine_stream([(0, "so good")])
    reads = [*whole, done + event([{"index": 1, "delta": {"content": "more"}}]), event([])]
    assert stream_of(one_rule("stop"), reads).text == "so good"


def test_an_engine_that_says_no_reason_and_is_done_has_finished() -> None:
    stream = stream_of(one_rule("stop"), [event([{"index": 0, "delta": {"content": "so good"}}]), DONE])
    assert (stream.text, stream.choices[0].finish) == ("so good", "stop")


def test_a_fault_of_the_gateways_own_is_an_error_event_too() -> None:
    class Full:
        async def open(self, *arguments: Any) -> str:
            raise RuntimeError

    way = Way([(ValidatorUse(name="speaks", on_fail="stop"), Speaks({}))], reviews=Full())
    stream = stream_of(way, engine_stream([(0, "good!")]))
    assert stream.error is not None
    assert stream.error["type"] == "internal_error"
    assert (way.record.engine_error, way.ended) == (False, [way.record])
