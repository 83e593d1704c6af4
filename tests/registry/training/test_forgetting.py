"""What counts as a label among free answers."""

from __future__ import annotations

import pytest

from postil.registry.training.forgetting import is_label


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"category": "billing"}', True),
        (' { "category"', True),
        ("Billing.", True),
        ('"two words"', True),
        ("Billing is what a clinic does with invoices.", False),
        ('{"other": 1}', False),
        ("", False),
    ],
)
def test_json_for_a_label_or_the_label_alone_is_one(text: str, found: bool) -> None:
    assert is_label(text, "category", ["billing", "two words"]) is found
