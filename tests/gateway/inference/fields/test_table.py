"""The table against vLLM's models, read from its source, and against OpenAI's own types."""

from __future__ import annotations

import ast

import pytest
from openai.types import completion_create_params as text_params
from openai.types.chat import completion_create_params as chat_params

from postil.gateway.inference.fields.field import Guard, Origin, Use
from postil.gateway.inference.fields.table import FIELDS, RENAMED
from postil.gateway.inference.formats import Kind
from tests.support.vllm_source import tree_of

MODELS = {
    Kind.CHAT: ("chat_completion", "ChatCompletionRequest"),
    Kind.TEXT: ("completion", "CompletionRequest"),
}
OPENAI = {
    Kind.CHAT: chat_params.CompletionCreateParamsBase,
    Kind.TEXT: text_params.CompletionCreateParamsBase,
}
# Security finding 9, and what would tell a policy's prompt.
UNDOES_A_POLICY = (
    "truncate_prompt_tokens", "add_special_tokens", "add_generation_prompt", "continue_final_message", "echo",
    "documents", "chat_template", "chat_template_kwargs", "prompt_logprobs", "return_token_ids",
    "return_tokens_as_token_ids", "return_prompt_text", "kv_transfer_params", "ec_transfer_params", "vllm_xargs",
    "repetition_detection", "thinking_token_budget", "request_id", "priority", "use_beam_search", "media_io_kwargs",
    "mm_processor_kwargs", "prompt_embeds", "ignore_eos", "min_tokens", "allowed_token_ids",
)  # fmt: skip
BREAKS_A_LABEL = ("stop", "stop_token_ids", "logit_bias", "bad_words", "include_stop_str_in_output")


def of_vllm(kind: Kind) -> set[str]:
    """The fields of vLLM's model, from its source."""
    room, model = MODELS[kind]
    source = tree_of("entrypoints", "openai", room, "protocol.py")
    (made,) = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name == model]
    names = {
        node.target.id for node in made.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("kind", Kind)
def test_every_field_of_vllms_stands_in_the_table(kind: Kind) -> None:
    assert of_vllm(kind) - FIELDS[kind].keys() == set()


@pytest.mark.parametrize("kind", Kind)
def test_what_vllm_has_not_is_openais(kind: Kind) -> None:
    beyond = FIELDS[kind].keys() - of_vllm(kind)
    strangers = {name for name in beyond if FIELDS[kind][name].origin is not Origin.OPENAI}
    # One row for both endpoints, where only one of vLLM's models has the field.
    assert {name for name in strangers if not any(name in of_vllm(each) for each in Kind)} == set()
    assert not [name for name in beyond if FIELDS[kind][name].use(Guard.OPEN) is Use.PASSED]


@pytest.mark.parametrize("kind", Kind)
def test_every_field_of_openais_stands_in_the_table_as_openais(kind: Kind) -> None:
    for name in OPENAI[kind].__annotations__:
        # Not sent by default: what vLLM has under another name, or only text completions have.
        assert FIELDS[kind][name].origin is Origin.OPENAI or name in ("echo", "reasoning_effort"), name


@pytest.mark.parametrize("kind", Kind)
def test_what_a_policy_fixes_no_field_undoes(kind: Kind) -> None:
    for name in UNDOES_A_POLICY:
        field = FIELDS[kind].get(name)
        if field is not None:
            assert field.use(Guard.POLICY) is field.use(Guard.CONSTRAINT) is Use.REFUSED, name
    for name in BREAKS_A_LABEL:
        assert FIELDS[kind][name].use(Guard.CONSTRAINT) is Use.REFUSED, name


@pytest.mark.parametrize("kind", Kind)
def test_what_a_guard_does_not_pass_no_stricter_one_passes(kind: Kind) -> None:
    for name, field in FIELDS[kind].items():
        passed = [use is Use.PASSED for use in field.uses]
        assert passed == sorted(passed, reverse=True), name


def test_an_old_name_is_no_field_and_its_new_name_is() -> None:
    for old, new in RENAMED.items():
        assert not any(old in fields for fields in FIELDS.values()), old
        assert any(new.partition(".")[0] in fields for fields in FIELDS.values()), new
