"""How vLLM is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postil.gateway.engine.process.launch_args import command, environment, unsupported
from postil.gateway.settings import Settings
from tests.support.paths import ROOT


def test_the_engine_gets_none_of_the_gateways_secrets(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "HF_TOKEN": "s",
        "POSTIL_ADMIN_KEY": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "VLLM_API_KEY": "s",
        "POSTIL_DATABASE_URL": "postgresql://user:s@host",
        "VLLM_CPU_OMP_THREADS_BIND": "0-3",
        "http_proxy": "s",
    }
    passed = environment(given, Settings(home=tmp_path), cpu=True)
    assert "s" not in passed.values()
    assert passed["PATH"] == "/bin"
    assert passed["VLLM_CPU_OMP_THREADS_BIND"] == "0-3"
    assert passed["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"


def test_the_engine_is_told_to_keep_vllms_own_lora_operations(tmp_path: Path) -> None:
    passed = environment({"POSTIL_DISABLE_LORA_KERNELS": "1"}, Settings(home=tmp_path), cpu=True)
    assert passed["POSTIL_DISABLE_LORA_KERNELS"] == "1"


def test_the_engine_takes_no_more_than_the_gateway_lets_in(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, max_concurrent_requests=40)
    line = command(settings, tmp_path, tmp_path / "s", cpu=True)
    assert line[line.index("--max-num-seqs") + 1] == "40"
    passed = environment({"VLLM_MAX_N_SEQUENCES": "9999"}, settings, cpu=True)
    assert (passed["VLLM_MAX_N_SEQUENCES"], passed["VLLM_MAX_COMPLETION_PROMPTS"]) == ("40", "40")


def test_the_engine_fetches_no_media_that_a_client_names(tmp_path: Path) -> None:
    line = command(Settings(home=tmp_path), tmp_path, tmp_path / "s", cpu=True)
    assert line[line.index("--allowed-media-domains") + 1] == "none.invalid"
    assert environment({}, Settings(home=tmp_path), cpu=True)["VLLM_MEDIA_URL_ALLOW_REDIRECTS"] == "0"


@pytest.mark.parametrize(("rank", "served"), [(1, "8"), (8, "8"), (9, "16"), (64, "64"), (300, "320"), (512, "512")])
def test_the_rank_is_rounded_up_to_one_that_vllm_takes(tmp_path: Path, rank: int, served: str) -> None:
    line = command(Settings(home=tmp_path, max_lora_rank=rank), tmp_path, tmp_path / "s", cpu=True)
    assert line[line.index("--max-lora-rank") + 1] == served


def test_on_a_cpu_it_computes_in_float32_and_on_a_gpu_as_the_model_says(tmp_path: Path) -> None:
    for cpu, dtype in ((True, "float32"), (False, "auto")):
        line = command(Settings(home=tmp_path), tmp_path, tmp_path / "s", cpu=cpu)
        assert line[line.index("--dtype") + 1] == dtype
        assert ("--enforce-eager" in line) is cpu


def test_more_arguments_are_passed_on_as_a_shell_would_split_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine_args="--seed 7 --chat-template 'a b'")
    assert command(settings, tmp_path, tmp_path / "s", cpu=True)[-4:] == ["--seed", "7", "--chat-template", "a b"]


def test_the_engine_reads_utf_8_in_every_locale_and_runs_for_a_user_whom_the_system_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = environment({"LC_ALL": "de_DE.ISO-8859-1"}, Settings(home=tmp_path), cpu=True)
    assert passed["PYTHONUTF8"] == "1"
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    assert environment({}, Settings(home=tmp_path), cpu=True)["USER"] == str(2**31 - 5)
    assert environment({"USER": "ann"}, Settings(home=tmp_path), cpu=True)["USER"] == "ann"


@pytest.mark.parametrize(
    ("cpu", "given", "tokens"),
    [
        (True, {}, "512"),
        (True, {"max_concurrent_requests": 600}, "600"),
        (True, {"max_step_tokens": 256}, "256"),
        (False, {"max_step_tokens": 4096}, "4096"),
    ],
)
def test_a_long_prompt_leaves_most_of_each_step_to_the_others(
    tmp_path: Path, cpu: bool, given: dict[str, int], tokens: str
) -> None:
    line = command(Settings.model_validate({"home": tmp_path, **given}), tmp_path, tmp_path / "s", cpu=cpu)
    assert line[line.index("--max-num-batched-tokens") + 1] == tokens
    assert line[line.index("--long-prefill-token-threshold") + 1] == str(min(int(tokens) // 4, 2048))


def test_on_a_gpu_steps_are_as_large_as_vllm_chooses(tmp_path: Path) -> None:
    assert "--max-num-batched-tokens" not in command(Settings(home=tmp_path), tmp_path, tmp_path / "s", cpu=False)


@pytest.mark.parametrize("version", ["0.32.0", "0.32.11", "0.32.1+cpu"])
def test_a_vllm_that_postil_is_run_with_is_passed_over(version: str) -> None:
    assert unsupported(version) is None


@pytest.mark.parametrize("version", ["0.31.2", "0.33.0", "0.320.0", "1.0"])
def test_another_vllm_is_told_in_one_line(version: str) -> None:
    line = unsupported(version)
    assert line is not None
    assert line.startswith(f"vLLM {version} is installed, and postil is run with 0.32 alone: ")
    assert len(line.splitlines()) == 1


def test_the_vllm_that_is_pinned_is_the_one_that_postil_is_run_with() -> None:
    pins = (ROOT / "deploy" / "requirements" / "cpu.txt").read_text().splitlines()
    (pinned,) = [line.partition("==")[2] for line in pins if line.startswith("vllm-cpu==")]
    assert unsupported(pinned) is None
