"""The short form of `make chaos`: nothing is lost and nothing is wrong, whatever breaks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.chaos.__main__ import FAULTS
from tests.chaos.load import Load, Outcome, Seen
from tests.chaos.verdict import Row

# The others take their time by their nature: `make chaos` does those.
SHORT = ("killed", "hung", "damaged", "gone", "full", "worker-killed", "worker-hung", "rolling", "soak")


@pytest.mark.parametrize("name", SHORT)
async def test_nothing_is_lost_and_nothing_is_wrong(name: str) -> None:
    fault = FAULTS[name]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        row = await fault.run(Path(folder) / "town", fault.short)
    assert row.good, row


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.WRONG])
def test_a_row_in_which_something_was_lost_or_wrong_is_not_good(outcome: Outcome) -> None:
    load = Load(lambda: "", "", {}, seen=[Seen(0, 1, Outcome.ANSWERED), Seen(0, 1, outcome, "why")])
    row = Row("fault", 1)
    row.add(load)
    assert not row.good
    assert row.problems == [f"{outcome.value}: why"]


def test_an_answer_of_another_release_or_to_somebody_else_is_wrong() -> None:
    load = Load(lambda: "", "", {"a@1": "mark-1 word-1"})
    assert load._right("a@1", "mark-1 word-1 asked-7 and end", 7)[0] is Outcome.ANSWERED
    for said in ("mark-2 word-1 asked-7 and end", "mark-1 word-1 asked-8 and end", "mark-1 word-1 asked-7 and"):
        assert load._right("a@1", said, 7)[0] is Outcome.WRONG
