"""The demo's router: made of the demo's data, small, and as good on texts that it never saw as the page says."""

from __future__ import annotations

import json

from postil.gateway.server.demo import demo_folder
from postil.plugins.recognition.router_model import read_router
from postil.registry.training.data.reading import read_rows
from postil.registry.training.router.report import beside, by_keywords, choose
from postil.registry.training.router.rows import rows_of
from tests.support.paths import ROOT

FOLDER = demo_folder()
ROUTER = FOLDER / "router" / "router.json"
PAGE = (ROOT / "deploy" / "docs" / "how-to-route.md").read_text(encoding="utf-8")
DATA = {
    "healthcare": "healthcare/triage/train.jsonl",
    "legal": "legal/clause/train.jsonl",
    "finance": "finance/intent/train.jsonl",
    "none": "router/none.jsonl",
}


def test_it_was_trained_on_the_data_that_is_beside_it() -> None:
    file = read_router(ROUTER).file
    assert file.models == ("finance", "healthcare", "legal", None)
    read = {name: read_rows(FOLDER / path) for name, path in DATA.items()}
    assert {one.model: (one.rows, one.digest) for one in file.data} == {
        name: (len(data.rows), data.digest) for name, data in read.items()
    }


def test_it_is_small() -> None:
    assert ROUTER.stat().st_size < 300_000


def test_on_texts_that_nobody_had_seen_it_is_as_good_as_the_page_says() -> None:
    rows, router = rows_of(str(FOLDER / "router" / "unseen.jsonl")), read_router(ROUTER)
    words = json.loads((FOLDER / "router" / "keywords.json").read_text(encoding="utf-8"))
    chosen = [choose(router, row.text) for row in rows]
    found = beside(rows, chosen, by_keywords(words, rows))
    own = {row.model for row, one in zip(rows, chosen, strict=True) if one is not None and row.model != one}
    assert own == {None}, "no text of a domain goes to another one"
    for row, model in zip(rows, chosen, strict=True):
        assert row.model is None or model in (row.model, None)
    right = [
        sum(row.model == name == one for row, one in zip(rows, chosen, strict=True)) for name in router.file.models
    ]
    assert right == [39, 39, 39, 36]
    assert (found.only_router, found.only_keywords, found.keywords.right) == (51, 4, 106)
    assert "153 of 160" in PAGE
    assert "106" in PAGE
