"""What a model makes of rows: loss, log-probabilities and right answers, read off one forward pass per batch.

Imports torch, so only training imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from postil.registry.training.methods.encoding import Encoded, EncodedPair
from postil.registry.training.methods.report import Answers, Preferences

Tree = Mapping[tuple[int, ...], frozenset[int]]
# Rows and tokens that are computed together.
BATCH, _TOKENS = 8, 4096


def tree(answers: Sequence[Sequence[int]]) -> Tree:
    """Return which tokens may follow each beginning of the answers, as constrained decoding has it."""
    found: dict[tuple[int, ...], set[int]] = {}
    for answer in answers:
        for place, token in enumerate(answer):
            found.setdefault(tuple(answer[:place]), set()).add(token)
    return {begun: frozenset(tokens) for begun, tokens in found.items()}


def answers(model: Any, rows: Sequence[Encoded], allowed: Tree | None = None) -> Answers:
    """Measure ``rows``; with ``allowed``, also how often constrained decoding gives the answer."""
    loss, right, exact, constrained, tokens = 0.0, 0, 0, 0, 0
    for place, logits in answer_logits(model, rows):
        row = rows[place]
        wanted = torch.tensor(row.answer)
        logs = torch.log_softmax(logits, dim=-1)
        hits = logits.argmax(dim=-1) == wanted
        loss -= float(logs.gather(-1, wanted[:, None]).sum())
        right += int(hits.sum())
        exact += bool(hits.all())
        constrained += allowed is not None and _constrained(row.answer, logits, allowed)
        tokens += len(wanted)
    count = len(rows)
    return Answers(
        rows=count,
        tokens=tokens,
        loss=round(loss / tokens, 4),
        token_accuracy=round(right / tokens, 4),
        exact=round(exact / count, 4),
        accuracy=None if allowed is None else round(constrained / count, 4),
    )


def preferences(model: Any, pairs: Sequence[EncodedPair]) -> Preferences:
    """Measure how likely the better and the worse answers are, and how often the better one is the likelier."""
    better = _log_probabilities(model, [pair.chosen for pair in pairs])
    worse = _log_probabilities(model, [pair.rejected for pair in pairs])
    count = len(pairs)
    return Preferences(
        pairs=count,
        chosen=round(sum(better) / count, 3),
        rejected=round(sum(worse) / count, 3),
        accuracy=round(sum(one > other for one, other in zip(better, worse, strict=True)) / count, 4),
    )


def verdicts(model: Any, rows: Sequence[Encoded], good: Sequence[bool]) -> Preferences:
    """Measure how likely answers are that were judged good, and those that were judged bad."""
    found = _log_probabilities(model, rows)
    liked = [one for one, kind in zip(found, good, strict=True) if kind]
    disliked = [one for one, kind in zip(found, good, strict=True) if not kind]
    return Preferences(pairs=len(rows), chosen=_mean(liked), rejected=_mean(disliked))


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def ended(model: Any, prompts: Sequence[Sequence[int]], end: int, longest: int) -> float:
    """Return the share of generated answers that ended by themselves within ``longest`` tokens."""
    found = generated(model, prompts, end, longest)
    return round(sum(answer[-1] == end for answer in found) / len(prompts), 4)


def generated(model: Any, prompts: Sequence[Sequence[int]], end: int, longest: int) -> list[list[int]]:
    """Return the greedy answer to each prompt: ``longest`` tokens, or fewer with ``end`` as the last."""
    model.eval()
    width = max(map(len, prompts))
    # Filled up on the left: the answers follow on the right.
    ids = torch.tensor([[*[end] * (width - len(prompt)), *prompt] for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    with torch.no_grad():
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=longest,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
        )
    return [_until(end, answer) for answer in made[:, width:].tolist()]


def _until(end: int, answer: list[int]) -> list[int]:
    """Return an answer up to its end; what follows fills the batch up."""
    return answer[: answer.index(end) + 1] if end in answer else answer


def answer_logits(model: Any, rows: Sequence[Encoded]) -> Iterator[tuple[int, Tensor]]:
    """Give each row's place with the logits that predict what is learned, on the CPU; like lengths share a batch.

    Logits are computed only where a row of the batch needs them: a vocabulary of them takes some 200 kB a token.
    """
    model.eval()
    for places in batches([len(row.ids) for row in rows]):
        longest = max(len(rows[place].ids) for place in places)
        ids = torch.tensor([_padded(rows[place].ids, longest) for place in places], device=model.device)
        mask = torch.tensor([_padded([1] * len(rows[place].ids), longest) for place in places], device=model.device)
        before = {place: [at - 1 for at, learned in enumerate(rows[place].learned) if learned] for place in places}
        needed = sorted({at for one in before.values() for at in one})
        found = {at: number for number, at in enumerate(needed)}
        # From the end: learned prompt tokens stand before the row's own.
        kept = torch.tensor([at - longest for at in needed], device=model.device)
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits
        for place, seen in zip(places, logits, strict=True):
            yield place, seen[[found[at] for at in before[place]]].float().cpu()


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Give the places of ``lengths`` in batches that a machine has the memory for; a row is alone at worst."""
    batch = list[int]()
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if batch and (len(batch) == BATCH or (len(batch) + 1) * lengths[place] > _TOKENS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _padded(values: Sequence[int], length: int) -> list[int]:
    return [*values, *[0] * (length - len(values))]


def _log_probabilities(model: Any, rows: Sequence[Encoded]) -> list[float]:
    found = [0.0] * len(rows)
    for place, logits in answer_logits(model, rows):
        wanted = torch.tensor(rows[place].answer)[:, None]
        found[place] = float(torch.log_softmax(logits, dim=-1).gather(-1, wanted).sum())
    return found


def _constrained(answer: Sequence[int], logits: Tensor, allowed: Tree) -> bool:
    """Return whether greedy decoding among the allowed answers gives this one."""
    for place, token in enumerate(answer):
        options = sorted(allowed[tuple(answer[:place])])
        if options[int(logits[place][options].argmax())] != token:
            return False
    return True
