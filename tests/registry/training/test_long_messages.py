"""A long message takes time and not memory, and one that the engine could never be asked is refused at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.base_model.model import read_base
from postil.registry.errors import DatasetError
from postil.registry.training.evaluate import Files, evaluate
from postil.registry.training.train import train
from tests.registry.training.test_train import Diary, options


@pytest.mark.tune
@pytest.mark.parametrize("first_layer", [0, 1])
def test_batches_in_parts_and_rows_by_themselves_teach_the_same(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_layer: int
) -> None:
    from postil.registry.training import answers, forward, loop

    whole, parts, alone = Diary(), Diary(), Diary()
    few = {"epochs": 1, "first_layer": first_layer}
    reports = [train(options(tiny_base, data, tmp_path / "whole", **few), whole)]
    for out, most, diary in (("parts", 120_000, parts), ("alone", 1, alone)):
        for module, name in ((loop, "TRAINING"), (answers, "ANSWERING"), (forward, "ANSWERING")):
            monkeypatch.setattr(module, name, most)
        reports.append(train(options(tiny_base, data, tmp_path / out, **few), diary))
    for diary in (parts, alone):
        assert diary.losses == pytest.approx(whole.losses, rel=2e-3)
    for report in reports[1:]:
        assert report.base_metrics.loss == pytest.approx(reports[0].base_metrics.loss, rel=1e-3)
        assert report.adapter_metrics.loss == pytest.approx(reports[0].adapter_metrics.loss, rel=2e-2)


@pytest.mark.tune
def test_a_message_beyond_the_engines_window_is_refused_before_the_long_work(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    rows = data[0].read_text(encoding="utf-8").splitlines()
    long = [json.dumps(json.loads(rows[0]) | {"input": f"knee {n} hurts " * 40}) for n in (1, 2)]
    data[0].write_text("\n".join([*rows, *long]) + "\n", encoding="utf-8")
    diary, last = Diary(), len(rows) + 2
    says = rf"train.jsonl, line {last - 1}: the message has 5\d\d tokens, .* of 256 .* \(also too long: line {last}\)"
    with pytest.raises(DatasetError, match=says):
        train(options(tiny_base, data, tmp_path / "out", window=256), diary)
    assert diary.steps == 0
    assert not (tmp_path / "out").exists()
    train(options(tiny_base, data, tmp_path / "out", window=1024, epochs=0.1), diary)


@pytest.mark.tune
def test_a_conversation_is_taught_as_it_is_asked(tiny_base: Path, data: tuple[Path, Path], tmp_path: Path) -> None:
    """And an adapter whose configuration an editor marked is evaluated."""
    history = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "What is it?"}]
    for path in data:
        rows = [json.loads(line) | {"history": history} for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = train(options(tiny_base, data, tmp_path / "out", epochs=1))
    config = tmp_path / "out" / "adapter_config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    base = read_base(tiny_base, "example/tiny")
    found = evaluate(tmp_path / "out", Files(data[1]), base)
    assert found.adapter_metrics.loss == pytest.approx(report.adapter_metrics.loss, rel=1e-3)
    with pytest.raises(DatasetError, match="engine's window of 32"):
        evaluate(tmp_path / "out", Files(data[1]), base, window=32)
