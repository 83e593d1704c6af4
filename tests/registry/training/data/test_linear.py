"""The one linear model: it stands beside adapters, and looks for wrong labels in rows that it did not learn."""

from __future__ import annotations

import subprocess
import sys

from postil.registry.training.data.linear import out_of_fold
from tests.registry.training.data.files import messages


def test_every_row_gets_probabilities_from_a_model_that_did_not_see_it() -> None:
    texts, labels = zip(*messages(80), strict=True)
    found = out_of_fold(texts, labels, range(len(texts)))
    assert found is not None
    assert found.probabilities.shape == (len(found.rows), len(found.labels))
    assert abs(found.probabilities.sum(axis=1) - 1).max() < 1e-9
    assert (found.probabilities.argmax(axis=1) == found.given).mean() > 0.8


def test_words_that_only_one_group_has_do_not_stop_it() -> None:
    texts = ["? !" if number % 2 else ". ." for number in range(20)]
    texts[0] = "words at last"
    found = out_of_fold(texts, ["b" if number % 2 else "a" for number in range(20)], range(20))
    assert found is not None
    assert (found.probabilities.argmax(axis=1) == found.given)[1:].all()


def test_numpy_is_imported_when_something_is_computed_and_not_before() -> None:
    ask = "import sys, postil.registry.training.data.linear; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n", done.stderr
