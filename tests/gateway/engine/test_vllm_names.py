"""Every name that postil uses of vLLM is in the vLLM that is installed, or in the one that POSTIL_TEST_VLLM names."""

from __future__ import annotations

from pathlib import Path

from tests.support.vllm_names import USED, flags, missing, variables
from tests.support.vllm_source import vllm_folder


def test_the_vllm_that_is_installed_has_every_name() -> None:
    assert missing(vllm_folder()) == []


def test_a_vllm_without_a_file_a_flag_or_a_variable_is_told(tmp_path: Path) -> None:
    found = missing(tmp_path)
    assert {f"{name} is gone" for name, _ in USED} <= set(found)
    assert {f"no server has the flag {flag}" for flag in flags()} <= set(found)
    assert {f"envs.py has no {name}" for name in variables()} <= set(found)


def test_a_class_without_a_method_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lora" / "worker_manager.py"
    path.parent.mkdir()
    path.write_text("class WorkerLoRAManager:\n    def load(self):\n        return self.lora_config\n")
    assert [each for each in missing(tmp_path) if each.startswith("lora/worker_manager.py")] == [
        "lora/worker_manager.py has no WorkerLoRAManager._load_adapter"
    ]
