"""Whose a claim is: a restart has the same name, and no two homes have one."""

from __future__ import annotations

import stat
from pathlib import Path

from postil.gateway.control.jobs.holder import FILE, holder_of


def test_a_home_keeps_its_name_and_no_other_has_it(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in "ab"]
    for home in homes:
        home.mkdir()
    first, second = map(holder_of, homes)
    assert first != second
    assert holder_of(homes[0]) == first
    assert len(first) == 32
    assert stat.S_IMODE((homes[0] / FILE).stat().st_mode) == 0o600


def test_a_name_that_makes_no_sense_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff")
    made = holder_of(tmp_path)
    (tmp_path / FILE).write_text("")
    assert holder_of(tmp_path) != made
    assert len(holder_of(tmp_path)) == 32
