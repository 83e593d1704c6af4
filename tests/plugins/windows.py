"""The promise that a validator with a window keeps, as a check for any text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postil.plugins import Completion, ReleaseRef, RequestContext, Validator, Verdict

EXCHANGE = RequestContext(ReleaseRef("healthcare", "triage", 2), "clinic", {"messages": []})


def judged(validator: Validator, completion: Completion) -> Verdict:
    """The verdict of a validator that does not have to be waited for."""
    verdict = validator.judge(EXCHANGE, completion)
    assert isinstance(verdict, Verdict)
    return verdict


def fails(validator: Validator, text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether the part ``start`` to ``end`` of a text fails."""
    end = len(text) if end is None else end
    return not judged(validator, Completion(text[start:end], offset=start, ends=end == len(text))).ok


def found(validator: Validator, text: str) -> list[str]:
    """The spans of the whole text's verdict, as texts."""
    return [text[span.start : span.end] for span in judged(validator, Completion(text)).spans]


def parts(text: str, window: int) -> Iterator[tuple[int, int]]:
    """The largest parts of at most ``window`` characters; the beginning and the end count as one each."""
    length = len(text) + 2
    for first in range(max(1, length - window + 1)):
        last = min(length, first + window)
        yield max(0, first - 1), min(len(text), last - 1)


def assert_promise(validator: Validator, text: str, cuts: Sequence[int] = ()) -> None:
    """A text fails exactly if a part of it does; and a stream of it, cut in these places, at the same time."""
    assert validator.scope.window is not None
    whole = fails(validator, text)
    few = any(fails(validator, text, *part) for part in parts(text, validator.scope.window))
    assert few == whole, f"the whole {'fails' if whole else 'passes'}, its parts do not: {text!r}"
    assert _streamed(validator, text, cuts, validator.scope.window) == whole, f"{text!r} cut at {cuts}"


def _streamed(validator: Validator, text: str, cuts: Sequence[int], window: int) -> bool:
    """A stream judged as it comes in, each time from what may still become part of something."""
    ends = sorted({cut % (len(text) + 1) for cut in cuts} - {len(text)})
    seen = 0
    for end in ends:
        start = max(0, seen - window)
        if not judged(validator, Completion(text[start:end], offset=start, ends=False)).ok:
            return True
        seen = end
    start = max(0, seen - window)
    return not judged(validator, Completion(text[start:], offset=start)).ok
