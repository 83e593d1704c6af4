"""How many examples an adapter needs, beside a linear model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from postil.gateway.cli.commands.curve import curve as command
from postil.registry.errors import DatasetError
from postil.registry.training.curve import curve, spread
from postil.registry.training.dataset import Example
from postil.registry.training.errors import MethodError
from tests.registry.training.test_train import options

Run = Callable[..., Result]


@given(st.lists(st.sampled_from("aaaaabbbc"), min_size=1, max_size=80), st.integers(0, 3))
def test_every_beginning_has_the_labels_as_the_whole_has_them(labels: list[str], seed: int) -> None:
    examples = [Example("Sort.", str(number), label, number) for number, label in enumerate(labels)]
    order, whole = spread(examples, seed), Counter(labels)
    assert sorted(one.line for one in order) == list(range(len(labels)))
    assert {one.label for one in order[: len(whole)]} == {*labels}
    for size in range(len(whole), len(labels) + 1):
        part = Counter(one.label for one in order[:size])
        assert all(abs(part[label] - size * whole[label] / len(labels)) <= len(whole) for label in whole)


def test_a_curve_by_another_method_is_refused(tmp_path: Path, data: tuple[Path, Path]) -> None:
    other = options(tmp_path, data, tmp_path / "out").model_copy(update={"method": "sft"})
    with pytest.raises(MethodError, match="not by sft and lora; leave method and tune out"):
        curve(other, [10])


def test_a_size_below_the_number_of_labels_is_refused(tmp_path: Path, data: tuple[Path, Path]) -> None:
    with pytest.raises(DatasetError, match=r"^1 examples cannot hold all 2 labels; name a larger size"):
        curve(options(tmp_path, data, tmp_path / "out"), [1, 10])


@pytest.fixture
def run(data: tuple[Path, Path], tmp_path: Path) -> Run:
    """Run the command on a file of options; a text is written into it, arguments may follow."""
    app = typer.Typer()
    app.command()(command)
    config = tmp_path / "train.yaml"

    def call(lines: str, *more: str) -> Result:
        config.write_text(f"data: {data[0]}\nvalidation: {data[1]}\nout: {tmp_path / 'none'}\n{lines}")
        return CliRunner().invoke(app, [str(config), *more])

    return call


@pytest.mark.tune
def test_adapters_and_linear_models_are_trained_on_the_same_parts(
    run: Run, tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in data[0].read_text().splitlines()]
    rows[0]["history"] = [{"role": "assistant", "content": "What is it?"}]
    data[0].write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = {*tmp_path.iterdir()}
    lines = f"base: {tiny_base}\nepochs: 1\nlearning_rate: 0.02\ntargets: q_proj,v_proj,down_proj\n"
    plot = tmp_path / "curve.svg"
    result = run(lines, "--sizes", "6", "--plot", str(plot))
    assert result.exit_code == 0, result.stderr
    head, small, whole, base, note = result.stdout.splitlines()
    assert head.split() == ["examples", "adapter", "95", "%", "linear", "95", "%", "p", "seconds"]
    assert (small.split()[0], whole.split()[0]) == ("6", "60")
    assert whole.split()[3] == "100.0%"
    assert base.endswith("of the 20 rows.")
    assert note.startswith("Each best state was chosen on these rows")
    assert "<svg" in plot.read_text()
    assert {*tmp_path.iterdir()} - before == {plot, tmp_path / "train.yaml"}
    found = json.loads(run(lines, "--sizes", "60,500", "--json").stdout)
    assert [point["examples"] for point in found["points"]] == [60]
    assert found["points"][0]["adapter"]["interval"][1] <= 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--sizes", "10,many"), "--sizes '10,many' are no numbers of examples; write them as 100,300,1000"),
        (("--sizes", "0"), "--sizes '0' are no numbers"),
        (("--plot", "curve.doc"), "--plot curve.doc is neither .svg nor .png"),
        (("--plot", "nowhere/curve.svg"), "--plot nowhere/curve.svg has no folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(run: Run, more: tuple[str, str], says: str) -> None:
    result = run("", *more)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {says}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("lines", ["method: sft\n", "tune: dora\n", "method: dpo\ntune: full\n"])
def test_other_ways_to_train_are_refused_in_one_sentence(run: Run, lines: str) -> None:
    result = run(lines)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: postil curve trains by method classify and tune lora, not by ")
    assert len(result.stderr.splitlines()) == 1
