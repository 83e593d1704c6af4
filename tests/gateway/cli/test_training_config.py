"""Options of ``postil train`` in a file, and on the command line beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.training_config import merged

FILES = "data: train.jsonl\nvalidation: validation.jsonl\nout: adapter\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file; tests write more into it."""
    path = tmp_path / "train.yaml"
    path.write_text(FILES)
    return path


def more(config: Path, lines: str) -> Path:
    config.write_text(FILES + lines)
    return config


def test_a_file_holds_options_by_our_names_and_by_those_of_other_libraries(config: Path) -> None:
    lines = "lora_r: 4\nnum-train-epochs: 2\nlearning_rate: 2e-4\ntarget_modules: [q_proj, o_proj]\nhalf: true\n"
    options = merged(more(config, lines), {}).options(window=100)
    assert (options.data, options.out) == (Path("train.jsonl"), Path("adapter"))
    assert (options.rank, options.epochs, options.learning_rate, options.half) == (4, 2, 2e-4, True)
    assert (options.targets, options.window) == (("q_proj", "o_proj"), 100)


def test_a_flag_comes_before_the_file(config: Path) -> None:
    given = merged(more(config, "rank: 4\nseed: 3\n"), {"rank": 2, "targets": "q_proj"})
    options = given.options(None)
    assert (options.rank, options.seed, options.targets) == (2, 3, ("q_proj",))


def test_without_a_file_flags_are_all(config: Path) -> None:
    flags = {"data": config, "validation": config, "out": config}
    assert merged(None, flags).options(None).data == config


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("lora_rank: 4\n", r"train\.yaml:4: `lora_rank` is no option of training; did you mean lora_r\?"),
        (
            "window: 4\n",
            r"train\.yaml:4: `window` is no option of training; known are accumulation, alpha, base, ",
        ),
        ("rank: 4\nlora-r: 8\n", r"train\.yaml:5: `lora-r` is `rank`, which stands above too; leave one out"),
        ("rank: 4\nrank: 8\n", r"train\.yaml:5: `rank` stands here twice"),
        ("lora_r: many\n", r"train\.yaml:4: `lora_r`: input should be a valid integer"),
        ("target_modules: [1]\n", r"train\.yaml:4: `target_modules`: input should be a valid string"),
        ("rank: [\n", r"train\.yaml:5: this is not YAML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line_and_key(config: Path, lines: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as refusal:
        merged(more(config, lines), {}).options(None)
    assert "\n" not in str(refusal.value)


def test_a_mistake_in_a_flag_beside_a_file_is_the_flags(config: Path) -> None:
    with pytest.raises(CommandError, match=r"^--learning-rate: input should be greater than 0; see postil train"):
        merged(more(config, "learning_rate: 1\n"), {"learning_rate": -1.0}).options(None)


def test_a_file_that_is_no_mapping_or_not_there_is_refused(config: Path, tmp_path: Path) -> None:
    config.write_text("- rank\n")
    with pytest.raises(CommandError, match=r"train\.yaml:1: input should be a valid dictionary"):
        merged(config, {})
    with pytest.raises(CommandError, match="cannot be read"):
        merged(tmp_path / "nothing.yaml", {})


def test_what_training_needs_is_asked_for(config: Path) -> None:
    config.write_text("data: train.jsonl\n")
    with pytest.raises(CommandError, match=r"--validation is missing; .* `validation` in the file of --config"):
        merged(config, {}).options(None)


def test_the_base_is_a_text(config: Path) -> None:
    given = merged(more(config, "model_name_or_path: org/model\nbase_id: 3\n"), {})
    assert given.text("base") == "org/model"
    assert given.text("seed") is None
    with pytest.raises(CommandError, match=r"train\.yaml:5: `base_id`: a text belongs here"):
        given.text("base_id")
