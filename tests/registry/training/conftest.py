"""A base model of a few kilobytes, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

WORDS = {
    "symptoms": ["knee hurts", "sore throat", "itchy rash", "bad cough", "high fever"],
    "billing": ["wrong invoice", "too dear", "refund please", "charged twice", "insurance claim"],
}
WHEN = ["today", "again", "since monday", "sir", "hello", "pls", "now", "this week"]
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture
def tiny_base(tmp_path: Path) -> Path:
    """A random Llama of two layers with a byte tokenizer and a chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    specials = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*specials, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(tmp_path / "tiny-base")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    # Weights large enough that a frozen head can be steered at all.
    config = LlamaConfig(vocab_size=len(vocabulary), eos_token_id=0, initializer_range=0.4, **shape)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "tiny-base")
    return tmp_path / "tiny-base"


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """Training and validation messages, a child's play to tell apart."""
    rows = [(label, f"{words} {when}") for label, all_ in WORDS.items() for words in all_ for when in WHEN]
    training, validation = tmp_path / "train.jsonl", tmp_path / "validation.jsonl"
    _write(training, [row for number, row in enumerate(rows) if number % 4])
    _write(validation, rows[::4])
    return training, validation


def _write(path: Path, rows: list[tuple[str, str]]) -> None:
    lines = [
        json.dumps({"instruction": "Sort.", "input": message, "output": json.dumps({"category": label})})
        for label, message in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
