"""The entry point that vLLM calls in each of its processes: puts postil's LoRA products in the place of vLLM's own.

It stands aside, and says so once, on a vLLM that it does not know and where something else has taken that place
already; on platforms other than the CPU there is nothing to replace. ``POSTIL_PLAIN_LORA=1`` keeps vLLM's own.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
from importlib.util import find_spec
from typing import Any

KNOWN = re.compile(r"0\.32\.\d+(\+.*)?")
OFF = "POSTIL_PLAIN_LORA"
REPLACED = "vllm.lora.punica_wrapper.punica_cpu.PunicaWrapperCPU"
REPLACEMENT = "postil.gateway.engine.inside.wrapper.GroupedLoRA"


def register() -> None:
    """Called by vLLM, possibly more than once in a process. Never raises: without it vLLM serves too, only slower."""
    try:
        import vllm
        from vllm.platforms import current_platform

        reason = install(type(current_platform), str(vllm.__version__), os.environ.get(OFF, ""))
    except Exception as error:  # whatever vLLM has become, it must start
        reason = f"{type(error).__name__}: {error}"
    # One line, not one for each process: the others are children of the first.
    if reason and multiprocessing.parent_process() is None:
        # Below "vllm", whose handler is the one that is set up.
        logging.getLogger("vllm.postil").warning("vLLM's own LoRA operations stay in place: %s", reason)


def install(platform: Any, version: str, off: str) -> str | None:
    """Make ``platform``, a class, name postil's wrapper. Returns why it does not, where that is worth a line."""
    if not platform().is_cpu():
        return None
    if off not in ("", "0"):
        return f"{OFF} is set"
    if not KNOWN.fullmatch(version):
        return f"vLLM {version} is not known to postil"
    if find_spec("numba") is None:
        return "numba, which vLLM asks for, is not installed"
    now = platform.get_punica_wrapper()
    if now == REPLACEMENT:
        return None
    if now != REPLACED:
        return f"{now} has taken their place"
    platform.get_punica_wrapper = classmethod(lambda cls: REPLACEMENT)
    return None
