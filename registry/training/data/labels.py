"""Labels in answers: ``{"<field>": "<label>"}``, whatever form the row has."""

from __future__ import annotations

from postil.registry.training.data.decoding import parse_object
from postil.registry.training.data.forms import is_text
from postil.registry.training.data.problems import RowError
from postil.registry.training.data.rows import Row

# A label is a word or two; what is longer is text.
LONGEST = 512


def label_of(row: Row) -> tuple[str, str]:
    """Return field and label of a row's answer. Raises RowError where the answer is none."""
    answer = parse_object(row.answer)
    if answer is None or len(answer) != 1 or not all(is_text(label) and label for label in answer.values()):
        raise RowError("the output is not a JSON object of one field", 'write such as {"category": "billing"}')
    [(field, label)] = answer.items()
    for what, text in (("field", field), ("label", label)):
        if len(text) > LONGEST:
            raise RowError(f"the {what} has {len(text)} characters", f"write {LONGEST} at most")
    return field, label
