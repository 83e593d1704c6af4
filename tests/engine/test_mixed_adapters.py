"""Adapters mixed in one batch answer, token for token, as PEFT lets each of them answer alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.conftest import Served
from tests.support.past_the_gateway import engine_client

pytestmark = pytest.mark.engine

TEXTS = ("The patient asks whether", "Dear customer, your payment of", "Either party may")
TOKENS = 12


@pytest.fixture
def engine(served: Served) -> Iterator[httpx.Client]:
    """The engine itself, past the gateway: no policy, no template."""
    with engine_client(served.everybody()) as client:
        yield client


def greedy(model: Any, prompt: list[int], answer: list[int]) -> list[int]:
    """What transformers takes for the likeliest token at each place of ``answer``, which may not end."""
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
        logits[:, model.config.eos_token_id] = -torch.inf
    return [int(token) for token in logits.argmax(-1)]


def expected(
    base: Path, adapters: dict[str, str], asked: list[tuple[str, list[int]]], said: list[list[int]]
) -> list[list[int]]:
    """The answers of PEFT, one request after the other. The model named ``base`` is the one without an adapter."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = list(adapters)
        plain = AutoModelForCausalLM.from_pretrained(base, dtype="float32").eval()
        model = PeftModel.from_pretrained(plain, adapters[names[0]], adapter_name="a0")
        for at, name in enumerate(names[1:], 1):
            model.load_adapter(adapters[name], adapter_name=f"a{at}")
        answers = []
        for (name, prompt), answer in zip(asked, said, strict=True):
            if name == "base":
                with model.disable_adapter():
                    answers.append(greedy(model, prompt, answer))
            else:
                model.set_adapter(f"a{names.index(name)}")
                answers.append(greedy(model, prompt, answer))
        return answers


def test_the_tokens_are_those_of_peft(served: Served, engine: httpx.Client) -> None:
    models = engine.get("/v1/models").json()["data"]
    adapters = {model["id"]: model["root"] for model in models if model.get("parent")}
    base = next(model["root"] for model in models if model["id"] == "base")
    assert len(adapters) >= 3
    prompts = [engine.post("/tokenize", json={"model": "base", "prompt": text}).json()["tokens"] for text in TEXTS]
    asked = [(name, prompt) for prompt in prompts for name in ("base", *adapters)]

    def ask(one: tuple[str, list[int]]) -> list[int]:
        body = {"model": one[0], "prompt": one[1], "temperature": 0, "max_tokens": TOKENS, "min_tokens": TOKENS}
        response = engine.post("/v1/completions", json=body | {"return_token_ids": True})
        assert response.status_code == 200, response.text
        return [int(token) for token in response.json()["choices"][0]["token_ids"]]

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(ask, asked))
    assert answers == expected(Path(base), adapters, asked, answers)
    assert len({tuple(answer) for answer in answers}) > len(TEXTS), "the adapters make no difference here"


def test_the_engine_uses_postils_products(served: Served) -> None:
    assert "Using GroupedLoRA" in (served.home / "logs" / "engine.log").read_text()
