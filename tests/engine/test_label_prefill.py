"""Begun label answers against generated ones, on the real engine and the demo's validation messages."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.conftest import Served
from tests.engine.test_demo import DEMO, KEYS

pytestmark = pytest.mark.engine
MESSAGES = 24


@pytest.mark.parametrize("adapter", KEYS)
def test_what_is_begun_says_what_would_be_generated_in_one_step(served: Served, adapter: str) -> None:
    lines = (DEMO / adapter / "validation.jsonl").read_text().splitlines()
    texts = [json.loads(line)["input"] for line in lines[:: len(lines) // MESSAGES][:MESSAGES]]
    key = KEYS[adapter]
    served.ask(key, texts[0])  # Beside the first, the engine is asked whether answers can be begun.

    def ask(text: str) -> tuple[str, str, int, int]:
        # Whoever wants the log-probabilities gets an answer of which every token was generated.
        generated, begun = served.ask(key, text, logprobs=True).json(), served.ask(key, text).json()
        said = [answer["choices"][0]["message"]["content"] for answer in (generated, begun)]
        return (*said, generated["usage"]["completion_tokens"], begun["usage"]["completion_tokens"])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, texts))
    assert [begun for _, begun, _, _ in answers] == [generated for generated, _, _, _ in answers]
    of_all = [(before, now) for generated, _, before, now in answers if "needs_review" not in generated]
    assert len(of_all) > MESSAGES // 2
    # The first token tells the demo's labels apart; the others were generated without any choice.
    assert {now for _, now in of_all} == {1}, of_all
    assert all(before >= 6 for before, _ in of_all), of_all
