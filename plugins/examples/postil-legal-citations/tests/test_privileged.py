from __future__ import annotations

from postil.plugins.testing import check_input_check

from postil_legal_citations.privileged import Privileged


def test_it_keeps_the_contract() -> None:
    wrapped = {"messages": [{"role": "user", "content": [{"type": "text", "text": "ATTORNEY WORK\nPRODUCT"}]}]}
    check_input_check(
        Privileged,
        passes=["Is this clause a privilege?", "privileged"],
        fails=["*Privileged and Confidential*", "Attorney-Client   Privileged", wrapped],
        bad=[{"marks": 7}],
    )
