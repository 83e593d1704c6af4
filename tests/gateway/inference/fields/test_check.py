"""Bodies against the table: whatever they are, they are refused in one sentence, or all that is sent was looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.fields.check import asks_for_prompt_logprobs, check_fields, engine_fields
from postil.gateway.inference.fields.field import Guard, Use
from postil.gateway.inference.fields.table import FIELDS
from postil.gateway.inference.formats import Kind
from tests.fakes.vllm_fields import refusal_of

MESSAGES = [{"role": "user", "content": "hello"}]
CHAT, TEXT = {"messages": MESSAGES}, {"prompt": "hello"}
START: dict[Kind, dict[str, Any]] = {Kind.CHAT: CHAT, Kind.TEXT: TEXT}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.sampled_from([2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, 1e308, -1.5])
    | st.sampled_from(["", "a", "auto", "none", "low", "text", "json_object", "x" * 5000])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["type", "1", "json", "regex", "include_usage", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def bodies(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies with known fields of any value."""
    some = st.dictionaries(st.sampled_from(sorted(FIELDS[kind])), VALUES, max_size=4)
    return some.map(lambda fields: {**START[kind], **fields})


def checked(kind: Kind, **fields: Any) -> dict[str, Any]:
    return check_fields(kind, {**START[kind], **fields})


def refusal(kind: Kind, **fields: Any) -> str:
    with pytest.raises(BadRequestError) as caught:
        checked(kind, **fields)
    return str(caught.value)


def named(error: BadRequestError, body: dict[str, Any]) -> None:
    """A refusal names the field, in a sentence."""
    assert error.param in (*body, "messages", "prompt")
    assert len(str(error)) < 2000


@pytest.mark.parametrize("kind", Kind)
def test_any_body_is_refused_by_name_or_sent_as_it_was_looked_at(kind: Kind) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(bodies(kind), st.sampled_from(Guard))
    def holds(body: dict[str, Any], guard: Guard) -> None:
        try:
            sent = engine_fields(kind, check_fields(kind, body), guard, "it")
        except BadRequestError as error:
            named(error, body)
            return
        assert all(FIELDS[kind][name].use(guard) is Use.PASSED for name in sent)
        assert all(value is not None for value in sent.values())
        # No integer that vLLM's transport cannot carry, however deep.
        refused = refusal_of(sent, chat=kind is Kind.CHAT)
        assert refused is None or refused[0] < 500

    holds()


@pytest.mark.parametrize("name", ["top_k", "seed", "max_tokens", "min_tokens", "n", "top_logprobs", "prompt_logprobs"])
@pytest.mark.parametrize("value", [2**70, -(2**70), 2**64, True, 1.0, "1", [1], {}])
def test_integers_beyond_64_bits_and_other_types_never_reach_the_engine(name: str, value: Any) -> None:
    assert refusal(Kind.CHAT, **{name: value}).startswith(f"{name} has to be a whole number")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repetition_detection", {"max_pattern_size": 2**70}),
        ("vllm_xargs", {"a": 2**70}),
        ("kv_transfer_params", {"prompt_token_ids": [1]}),
        ("ec_transfer_params", {"a": 1}),
        ("request_id", "mine"),
        ("priority", -1),
        ("use_beam_search", True),
        ("truncate_prompt_tokens", 16),
        ("media_io_kwargs", {"image": {}}),
        ("mm_processor_kwargs", {"a": 1}),
        ("thinking_token_budget", 2**70),
        ("chat_template", "{{ messages }}"),
    ],
)
def test_what_no_client_needs_is_refused_everywhere_by_name(name: str, value: Any) -> None:
    assert refusal(Kind.CHAT, **{name: value}).startswith(f"`{name}` is not taken here; ")


def test_what_says_what_its_absence_says_is_taken_and_not_sent() -> None:
    neutral = {
        "use_beam_search": False, "priority": 0, "stop": [], "logit_bias": {}, "min_tokens": 0, "ignore_eos": False,
        "tools": [], "echo": False, "add_generation_prompt": True, "vllm_xargs": {}, "prompt_logprobs": None,
    }  # fmt: skip
    body = checked(Kind.CHAT, **neutral)
    assert engine_fields(Kind.CHAT, body, Guard.CONSTRAINT, "it") == CHAT
    assert "prompt_logprobs" not in body


def test_what_ordinary_clients_send_and_no_engine_acts_on_is_taken() -> None:
    beside = {
        "store": True, "metadata": {"a": "b"}, "service_tier": "auto", "safety_identifier": "a", "verbosity": "low",
        "prompt_cache_key": "a", "prediction": {"type": "content", "content": "a"}, "modalities": ["text"],
        "user": "ann", "cache_salt": "mine",
    }  # fmt: skip
    passed = {"parallel_tool_calls": False, "reasoning_effort": "low", "stream": True,
              "stream_options": {"include_usage": True, "include_obfuscation": False}}  # fmt: skip
    body = checked(Kind.CHAT, **beside, **passed)
    assert engine_fields(Kind.CHAT, body, Guard.OPEN, "it") == {**CHAT, **passed}


def test_stream_options_without_a_stream_are_ignored_for_every_release_alike() -> None:
    body = checked(Kind.CHAT, stream_options={"include_usage": True})
    for guard in Guard:
        assert engine_fields(Kind.CHAT, body, guard, "it") == CHAT


def test_a_field_that_there_is_not_is_named_and_so_is_the_right_one() -> None:
    assert refusal(Kind.CHAT, guided_choice=["a"]) == (
        "'guided_choice' is not a field of /v1/chat/completions; send `structured_outputs.choice`"
    )
    assert refusal(Kind.CHAT, prompt="a").endswith("ask /v1/completions, or leave it out")
    assert refusal(Kind.TEXT, messages=[]).endswith("ask /v1/chat/completions, or leave it out")
    assert refusal(Kind.CHAT, temprature=1).endswith("did you mean `temperature`?")
    assert (
        refusal(Kind.CHAT, **{"zz" * 500: 1}) == f"'{'zz' * 32}' is not a field of /v1/chat/completions; leave it out"
    )


def test_a_policy_refuses_what_would_undo_it_and_names_itself() -> None:
    body = checked(Kind.CHAT, stop=["a"])
    assert engine_fields(Kind.CHAT, body, Guard.POLICY, "it")["stop"] == ["a"]
    with pytest.raises(BadRequestError, match="`stop` could undo what the policy of it fixes") as caught:
        engine_fields(Kind.CHAT, body, Guard.CONSTRAINT, "it")
    assert caught.value.param == "stop"
    assert engine_fields(Kind.CHAT, body, Guard.CONSTRAINT, "it", lenient=True) == CHAT


@pytest.mark.parametrize(
    ("kind", "fields", "asks"),
    [
        (Kind.TEXT, {"echo": True}, False),
        (Kind.TEXT, {"echo": True, "logprobs": 0}, True),
        (Kind.TEXT, {"logprobs": 1}, False),
        (Kind.TEXT, {"prompt_logprobs": 0}, True),
        # vLLM takes the number of top log-probabilities, 0 where none is given.
        (Kind.CHAT, {"echo": True}, True),
        (Kind.CHAT, {"logprobs": True}, False),
    ],
)
def test_prompt_logprobs_are_seen_under_each_of_their_names(kind: Kind, fields: dict[str, Any], asks: bool) -> None:
    assert asks_for_prompt_logprobs(kind, checked(kind, **fields)) is asks


@pytest.mark.parametrize(
    "prompt", ["", [], [[]], ["a", 1], [1, "a"], [[1], "a"], [True], [-1], [2**31], [1.0], {"a": 1}, [""], 3]
)
def test_a_prompt_is_texts_or_token_ids(prompt: Any) -> None:
    assert refusal(Kind.TEXT, prompt=prompt).startswith("prompt has to be a text")


@pytest.mark.parametrize("prompt", ["a", ["a", "b"], [1, 2], [[1], [2]]])
def test_every_form_of_prompt_is_taken(prompt: Any) -> None:
    assert checked(Kind.TEXT, prompt=prompt) == {"prompt": prompt}


def test_what_a_request_is_about_is_required() -> None:
    for kind, name in ((Kind.CHAT, "messages"), (Kind.TEXT, "prompt")):
        for body in ({}, {name: None}):
            with pytest.raises(BadRequestError, match=f"^{name} is required$"):
                check_fields(kind, body)


@pytest.mark.parametrize(
    "value",
    [{}, [], {"regex": 3}, {"_backend": "x"}, {"choice": []}, {"choice": [1]}, {"json": [1]}, {"grammar": ""}],
)
def test_structured_outputs_are_looked_at_field_by_field(value: Any) -> None:
    if value == {}:  # The engine says what is missing.
        assert checked(Kind.CHAT, structured_outputs=value)
    else:
        assert "structured_outputs has to be an object with" in refusal(Kind.CHAT, structured_outputs=value)


def test_a_bias_is_for_token_ids() -> None:
    assert checked(Kind.CHAT, logit_bias={"15": -100})
    for bias in (
        {"a": 1},
        {"-1": 1},
        {"1": 101},
        {"1": True},
        {f"{number}": 1 for number in range(1025)},
        {"9" * 30: 1},
    ):
        assert "logit_bias has to be an object" in refusal(Kind.CHAT, logit_bias=bias)


def test_all_of_a_body_survives_the_way_through_json() -> None:
    body = checked(Kind.CHAT, temperature=0.5, seed=2**63 - 1)
    assert json.loads(json.dumps(body)) == body
