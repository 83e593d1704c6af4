"""The fields beside completions against vLLM's models, read from its source."""

from __future__ import annotations

import ast

import pytest

from postil.gateway.inference.fields.beside import DETOKENIZE, EMBEDDINGS, TOKENIZE, Endpoint
from tests.support.vllm_source import tree_of

_TOKENS = ("entrypoints", "serve", "tokenize", "protocol.py")
_POOLING = ("entrypoints", "pooling", "base", "protocol.py")
_OURS = {"model", "user"}
MODELS: list[tuple[Endpoint, tuple[str, ...], tuple[str, ...]]] = [
    (TOKENIZE, _TOKENS, ("TokenizeCompletionRequest", "TokenizeChatRequest")),
    (DETOKENIZE, _TOKENS, ("DetokenizeRequest",)),
    (
        EMBEDDINGS,
        _POOLING,
        ("PoolingBasicRequestMixin", "CompletionRequestMixin", "EncodingRequestMixin", "EmbedRequestMixin",
         "ChatRequestOptionsMixin", "ChatRequestMixin"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "path", "models"), MODELS, ids=["tokenize", "detokenize", "embeddings"])
def test_every_field_of_vllms_is_passed_on_or_refused_by_name(
    endpoint: Endpoint, path: tuple[str, ...], models: tuple[str, ...]
) -> None:
    fields = {
        line.target.id
        for node in tree_of(*path).body
        if isinstance(node, ast.ClassDef) and node.name in models
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    } - {"model_config"}
    assert fields
    assert fields - endpoint.passed.keys() - endpoint.refused.keys() - _OURS == set()
    assert endpoint.passed.keys() - fields == set()
