"""Rows as token ids, with a mark at each token that is learned. The one place that decides what the loss covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from postil.registry.errors import DatasetError
from postil.registry.training.data.rows import Turn
from postil.registry.training.methods.samples import Chat, Pair, Plain, Verdict, answered, is_learned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and for each whether it is learned."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    line: int

    @property
    def answer(self) -> tuple[int, ...]:
        """The ids that are learned."""
        return tuple(token for token, learned in zip(self.ids, self.learned, strict=True) if learned)

    @property
    def labels(self) -> list[int]:
        """The ids as a Trainer's labels: -100 where nothing is learned."""
        return [token if learned else -100 for token, learned in zip(self.ids, self.learned, strict=True)]

    @property
    def start(self) -> int:
        """The place of the first learned token."""
        return self.learned.index(True)


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A prompt with the better and the worse answer."""

    chosen: Encoded
    rejected: Encoded


class Encoder:
    """Turns rows into token ids by the base's own chat template.

    Prompt and answer are coded one by one, as the engine sees the prompt's tokens and writes the answer's. An answer
    ends with the base's end-of-turn token, which is learned: without it a model would never stop.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, window: int | None = None) -> None:
        self._tokenizer = tokenizer
        self._window = window
        self._end = int(tokenizer.eos_token_id)

    def chat(self, sample: Chat) -> Encoded:
        """Encode a conversation; what the assistant says is learned. Raises DatasetError."""
        if not any(is_learned(turn) for turn in sample.turns):
            raise DatasetError(
                f"line {sample.line}: no answer of an assistant is in it, so nothing would be learned; delete the line"
            )
        ids, learned = list[int](), list[bool]()
        for part, trained in self._parts(sample):
            ids += part
            learned += [trained] * len(part)
        return self._checked(Encoded(tuple(ids), tuple(learned), sample.line))

    def plain(self, sample: Plain) -> Encoded:
        """Encode a text; all of it is learned, but for its first token, which nothing precedes. Raises DatasetError."""
        ids = (*self._ids(sample.text), self._end)
        if len(ids) < 3:
            raise DatasetError(f"line {sample.line}: the text is too short to learn from; delete the line")
        return self._checked(Encoded(ids, (False, *[True] * (len(ids) - 1)), sample.line))

    def pair(self, sample: Pair) -> EncodedPair:
        """Encode a pair. Raises DatasetError."""
        return EncodedPair(
            self.chat(answered(sample.prompt, sample.chosen, sample.line)),
            self.chat(answered(sample.prompt, sample.rejected, sample.line)),
        )

    def verdict(self, sample: Verdict) -> Encoded:
        """Encode an answer that was judged. Raises DatasetError."""
        return self.chat(answered(sample.prompt, sample.answer, sample.line))

    def _parts(self, sample: Chat) -> Iterator[tuple[tuple[int, ...], bool]]:
        """Give what stands between the answers, and the answers, each with whether it is learned."""
        done = ""
        last = max(at for at, turn in enumerate(sample.turns) if is_learned(turn))
        for at, turn in enumerate(sample.turns[: last + 1]):
            # Answers that are not learned stand in the next prompt, as the template writes them.
            if not is_learned(turn):
                continue
            prompt = self._rendered(sample.turns[:at])
            if not prompt.startswith(done):
                raise DatasetError(
                    f"line {sample.line}: the base's chat template leaves out what was said before, so a conversation"
                    " of several answers cannot be learned at once; write one line for each answer"
                )
            text = turn.content.strip()  # As most templates have it.
            yield self._ids(prompt[len(done) :]), False
            yield (*self._ids(text), self._end), True
            done = prompt + text + self._tokenizer.decode([self._end])

    def _rendered(self, turns: Sequence[Turn]) -> str:
        said = [{"role": turn.role, "content": turn.content} for turn in turns]
        text: Any = self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return str(text)

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _checked(self, row: Encoded) -> Encoded:
        if self._window is not None and len(row.ids) > self._window:
            raise DatasetError(
                f"line {row.line}: the row has {len(row.ids)} tokens, and the engine's window is {self._window}"
                " (POSTIL_MAX_MODEL_LEN); shorten it or delete the line"
            )
        return row
