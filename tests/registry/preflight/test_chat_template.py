"""A chat template beside an adapter, wherever transformers wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.preflight.chat_template import chat_template, template_warnings

OURS = "{% for message in messages %}{{ message.content }}{% endfor %}"


def write(folder: Path, **files: str) -> Path:
    """A folder of these files: ``jinja`` is chat_template.jinja, ``config`` is tokenizer_config.json."""
    folder.mkdir()
    for key, name in (("jinja", "chat_template.jinja"), ("config", "tokenizer_config.json")):
        if key in files:
            (folder / name).write_text(files[key])
    return folder


def configured(template: object) -> str:
    """A tokenizer_config.json."""
    return json.dumps({"tokenizer_class": "X", "chat_template": template})


@pytest.mark.parametrize(
    "config",
    [configured(OURS), configured([{"name": "tool_use", "template": "x"}, {"name": "default", "template": OURS}])],
)
def test_a_template_is_found_in_either_file(tmp_path: Path, config: str) -> None:
    assert chat_template(write(tmp_path / "a", config=config)) == OURS
    assert chat_template(write(tmp_path / "b", jinja=f"{OURS}\n", config=configured("x"))) == OURS


@pytest.mark.parametrize(
    "config", ["", "[]", "{}", configured(None), configured(7), configured([]), configured([7]), "x" * (5 << 20)]
)
def test_what_is_no_template_is_none(tmp_path: Path, config: str) -> None:
    assert chat_template(write(tmp_path / "a", config=config)) is None
    assert chat_template(write(tmp_path / "b")) is None


def test_a_template_that_is_not_text_is_none(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    assert chat_template(tmp_path) is None


def test_only_another_template_than_the_bases_is_worth_a_warning(tmp_path: Path) -> None:
    base = write(tmp_path / "base", config=configured(OURS))
    assert template_warnings(write(tmp_path / "same", jinja=f"{OURS}\n\n"), base) == []
    assert template_warnings(write(tmp_path / "none"), base) == []
    assert template_warnings(write(tmp_path / "other", jinja="x"), tmp_path / "none") == []
    (warning,) = template_warnings(tmp_path / "other", base)
    assert warning.startswith("the adapter comes with another chat template than the base, ")
