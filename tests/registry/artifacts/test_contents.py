"""An artifact is the adapter and nothing else, whatever lay beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.registry.artifacts.contents import (
    calibration_in,
    check_complete,
    keep_the_adapter,
    left_out,
    policy_in,
)
from postil.registry.errors import PolicyError, PreflightError, SourceError
from postil.registry.names import parse_adapter
from postil.registry.policy.policy import MAX_POLICY_BYTES, Policy
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter

BESIDE = ("README.md", "policy.yaml", "tokenizer.json", "chat_template.jinja", "merges.txt")


def test_only_the_files_of_the_adapter_are_kept(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    for name in (*BESIDE, "training.json"):
        (folder / name).write_text("{}")
    keep_the_adapter(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "training.json",
    ]  # fmt: skip


def test_what_lies_beside_an_adapter_makes_no_other_release(registry: Registry) -> None:
    name, made = parse_adapter("legal/notes"), []
    for beside in ((), BESIDE):
        with registry.artifacts.incoming() as folder:
            write_adapter(folder / "adapter")
            for file in beside:
                (folder / "adapter" / file).write_text("{}")
            made.append(registry.publish(folder / "adapter", name, Policy(), note="", actor="ann"))
    assert [(release.number, created) for release, created in made] == [(1, True), (1, False)]
    kept = registry.artifacts.verified_path(made[0][0].artifact)
    assert sorted(path.name for path in kept.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


def test_another_training_report_is_another_release(registry: Registry) -> None:
    numbers = []
    for report in ("{}", '{"accuracy": 1}'):
        with registry.artifacts.incoming() as folder:
            write_adapter(folder / "adapter")
            (folder / "adapter" / "training.json").write_text(report)
            release, _ = registry.publish(
                folder / "adapter", parse_adapter("legal/notes"), Policy(), note="", actor="ann"
            )
            numbers.append(release.number)
    assert numbers == [1, 2]


HERE = {"adapter_config.json", "adapter_model.safetensors"}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (set(), "the upload holds no adapter_config.json; publish what PEFT's save_pretrained has written"),
        ({"adapter_config.json"}, "the upload holds no adapter_model.safetensors; publish what PEFT's "),
        (
            {"adapter_config.json", "adapter_model.bin", "optimizer.pt"},
            "the upload has its weights only as adapter_model.bin, a pickle, which can run code when it is loaded; ",
        ),
        (
            {"README.md", *(f"checkpoint-{step}/{name}" for step in range(10, 17) for name in HERE)},
            "the upload holds no adapter_config.json itself, but checkpoint-10, checkpoint-11, checkpoint-12,"
            " checkpoint-13, checkpoint-14 and 2 more do in it; publish a folder that does",
        ),
        ({f"best/{name}" for name in HERE}, "the upload holds no adapter_config.json itself, but best does in it; "),
        (
            {"config.json", "model.safetensors"},
            "the upload holds a whole model and no adapter_config.json; publish the adapter before it is merged",
        ),
    ],
)
def test_what_a_folder_lacks_is_said_with_where_it_is(names: set[str], says: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_complete("the upload", names, SourceError)
    assert str(caught.value).startswith(says)
    check_complete("the upload", names | HERE)


def test_what_is_left_out_is_named_once_folders_as_such() -> None:
    names = [*HERE, "policy.yaml", "model.sig", "training.json", "README.md", "runs/1/a", "runs/1/b", "empty/"]
    assert left_out(names) == ["README.md", "empty/", "runs/"]


def test_a_policy_that_is_a_git_lfs_pointer_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 7\n")
    with pytest.raises(PolicyError, match="a Git LFS pointer and not the policy; run `git lfs pull`"):
        policy_in(tmp_path)


def test_expressions_are_kept_as_plain_names_and_make_the_same_release_again(
    registry: Registry, tmp_path: Path
) -> None:
    digests = []
    for pattern in ({r"(q|v)_pro[j]": 3, ".*nowhere": 1}, {"q_proj": 3, "v_proj": 3}):
        with registry.artifacts.incoming() as folder:
            made = write_adapter(folder / "adapter", alpha_pattern=pattern, rank_pattern={})
            release, _ = registry.publish(made, parse_adapter("legal/notes"), None, note="", actor="ann")
        kept = registry.artifacts.verified_path(release.artifact) / "adapter_config.json"
        assert json.loads(kept.read_bytes())["alpha_pattern"] == {"q_proj": 3, "v_proj": 3}
        digests.append(json.loads(kept.read_bytes()))
    assert digests[0] == digests[1]


def test_a_byte_order_mark_is_not_kept(registry: Registry) -> None:
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter")
        path = made / "adapter_config.json"
        stated = json.loads(path.read_bytes())
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        release, _ = registry.publish(made, parse_adapter("legal/notes"), None, note="", actor="ann")
    kept = registry.artifacts.verified_path(release.artifact) / "adapter_config.json"
    assert json.loads(kept.read_text()) == stated


@pytest.mark.parametrize(("mark", "pattern"), [(b"", {"(q|v)_proj": 3}), (b"\xef\xbb\xbf", {})])
def test_what_is_kept_in_another_form_would_break_a_signature(
    registry: Registry, mark: bytes, pattern: dict[str, int]
) -> None:
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter", alpha_pattern=pattern)
        (made / "model.sig").write_text("{}")
        (made / "adapter_config.json").write_bytes(mark + (made / "adapter_config.json").read_bytes())
        with pytest.raises(PreflightError, match="write the modules' names out, without a mark, and sign again"):
            registry.publish(made, parse_adapter("legal/notes"), None, note="", actor="ann")


def test_a_release_remembers_where_it_came_from(registry: Registry) -> None:
    source = f"hf://acme/notes@{'c' * 40}"
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter")
        registry.publish(made, parse_adapter("legal/notes"), None, note="", actor="ann", source=source)
    assert registry.release(parse_adapter("legal/notes").release(1)).source == source


def test_a_policy_in_the_folder_is_found(tmp_path: Path) -> None:
    assert policy_in(tmp_path) is None
    (tmp_path / "policy.yaml").write_text("system_prompt: Sort.")
    assert policy_in(tmp_path) == Policy(system_prompt="Sort.")


@pytest.mark.parametrize("content", [b"systemprompt: x", b"\xff\xfe\x00", b"#" * (MAX_POLICY_BYTES + 1), b"- x"])
def test_a_policy_in_the_folder_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "policy.yaml").write_bytes(content)
    with pytest.raises(PolicyError):
        policy_in(tmp_path)


@pytest.mark.parametrize(
    ("report", "found"),
    [
        ('{"calibration": {"temperature": 1.6, "answers": 300}}', {"temperature": 1.6}),
        ('{"calibration": {"temperature": 2}}', {"temperature": 2.0}),
        ('{"calibration": {}}', {}),
        ('{"calibration": null}', {}),
        ("{}", {}),
        ("[]", {}),
        ("{", {}),
    ],
)
def test_what_was_fitted_is_read_of_the_report(tmp_path: Path, report: str, found: dict[str, float]) -> None:
    assert calibration_in(tmp_path) == {}
    (tmp_path / "training.json").write_text(report)
    assert calibration_in(tmp_path) == found


@pytest.mark.parametrize("value", ['"hot"', "true", "0", "-1", "NaN", "Infinity", "1e400", "1" + "0" * 400, "null"])
def test_a_temperature_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "training.json").write_text(f'{{"calibration": {{"temperature": {value}}}}}')
    with pytest.raises(PreflightError, match="a number above 0; let `postil evaluate` write it"):
        calibration_in(tmp_path)
