from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any, ClassVar

import pytest

from postil.gateway.engine.vllm_plugin.heads import leave_alone
from postil.gateway.engine.vllm_plugin.register import REPLACED, REPLACEMENT, calm, install, spare_heads


class Platform:
    """As much of vLLM's platform as counts here."""

    named: ClassVar[str] = REPLACED
    cpu: ClassVar[bool] = True

    def is_cpu(self) -> bool:
        return self.cpu

    @classmethod
    def get_punica_wrapper(cls) -> str:
        return cls.named


@pytest.fixture
def platform() -> type[Platform]:
    return type("Fresh", (Platform,), {})


@pytest.mark.parametrize("version", ["0.32.0", "0.32.1", "0.32.0+cpu"])
def test_takes_the_place_of_vllms_own_operations_however_often_it_is_called(
    platform: type[Platform], version: str
) -> None:
    assert install(platform, version, "") is None
    assert install(platform, version, "0") is None
    assert platform.get_punica_wrapper() == REPLACEMENT


@pytest.mark.parametrize("version", ["0.31.2", "0.33.0", "0.320.0", "1.0", "dev", "0.32.0rc1"])
def test_stands_aside_on_a_vllm_that_it_does_not_know(platform: type[Platform], version: str) -> None:
    assert install(platform, version, "") == f"vLLM {version} is not known to postil"
    assert platform.get_punica_wrapper() == REPLACED


def test_goes_on_spinning_on_a_vllm_that_it_does_not_know_and_says_nothing_of_it_on_a_gpu(
    platform: type[Platform], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postil.gateway.engine.vllm_plugin.register.QUEUE", "a.module.that.is.not.there")
    assert calm(platform, "0.33.0") == "vLLM 0.33.0 is not known to postil"
    platform.cpu = False
    assert calm(platform, "0.32.0") is None


def test_stands_aside_where_it_is_switched_off(platform: type[Platform]) -> None:
    assert install(platform, "0.32.0", "1") == "POSTIL_DISABLE_LORA_KERNELS is set"
    assert platform.get_punica_wrapper() == REPLACED


def test_stands_aside_where_something_else_has_taken_the_place(platform: type[Platform]) -> None:
    platform.named = "another.Wrapper"
    assert install(platform, "0.32.0", "") == "another.Wrapper has taken their place"
    assert platform.get_punica_wrapper() == "another.Wrapper"


def test_stands_aside_where_what_compiles_its_loops_is_missing(
    platform: type[Platform], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postil.gateway.engine.vllm_plugin.register.find_spec", lambda name: None)
    assert install(platform, "0.32.0", "") == "numba, which vLLM asks for, is not installed"
    assert platform.get_punica_wrapper() == REPLACED


def test_says_nothing_on_a_gpu_where_there_is_nothing_to_replace(platform: type[Platform]) -> None:
    platform.cpu = False
    assert install(platform, "0.99", "") is None
    assert platform.get_punica_wrapper() == REPLACED


def test_the_entry_point_is_declared_and_importing_it_imports_neither_torch_nor_vllm() -> None:
    code = """
import sys
from importlib.metadata import entry_points
[found] = [point for point in entry_points(group="vllm.general_plugins") if point.name == "postil"]
assert found.load().__name__ == "register"
assert not {"torch", "vllm"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_adapters_add_nothing_to_logits_once_vllm_has_imported_its_heads(
    platform: type[Platform], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Head:
        def set_mapping(self, operations: object) -> None:
            raise AssertionError("vLLM's own")

    module = ModuleType("a_head")
    module.LogitsProcessorWithLoRA = Head  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_head", module)
    monkeypatch.setattr("postil.gateway.engine.vllm_plugin.register.HEAD", "a_head")
    for _ in range(2):  # vLLM may call it more than once.
        assert spare_heads(platform, "0.33.0") is None
    head: Any = Head()
    head.set_mapping("operations")
    assert head.punica_wrapper.add_lora_logits("logits", "hidden", 1, 2, 1.0) == "logits"


def test_a_head_that_is_not_known_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    leave_alone(ModuleType("a_head"))
    assert "not safe to ask for" in caplog.text
