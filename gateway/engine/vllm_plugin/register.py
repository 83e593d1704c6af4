"""The entry point that vLLM calls in each of its processes. Everywhere, adapters are verified where they are loaded
(``verified_loads``) and kept from the head (``heads``). On CPUs, and only there, it changes two things more.

postil's LoRA products take the place of vLLM's own, and processes that wait for each other nap where they would spin
(``waiting``). It stands aside, with a line for each, on a vLLM that it does not know and where something else has
taken the place of the products already. ``POSTIL_DISABLE_LORA_KERNELS=1`` keeps vLLM's own products.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from postil.gateway.engine.vllm_plugin.after_import import after_import
from postil.gateway.engine.vllm_plugin.grammar_threads import MODULE as GRAMMARS
from postil.gateway.engine.vllm_plugin.grammar_threads import widen
from postil.gateway.engine.vllm_plugin.heads import HEAD, leave_alone
from postil.gateway.engine.vllm_plugin.idle_sleep import nap
from postil.gateway.engine.vllm_plugin.verified_loads import MANAGER, verify_loads

KNOWN = re.compile(r"0\.32\.\d+(\+.*)?")
OFF = "POSTIL_DISABLE_LORA_KERNELS"
REPLACED = "vllm.lora.punica_wrapper.punica_cpu.PunicaWrapperCPU"
REPLACEMENT = "postil.gateway.engine.vllm_plugin.punica_wrapper.GroupedLoRA"
QUEUE = "vllm.distributed.device_communicators.shm_broadcast"


def register() -> None:
    """Called by vLLM, possibly more than once in a process. Never raises: without it vLLM serves too, only slower."""
    _change("vLLM loads adapters without verifying them", verify)
    products = partial(install, off=os.environ.get(OFF, ""))
    _change("vLLM's own LoRA operations stay in place", products)
    _change("vLLM's processes spin while they wait for each other", calm)
    _change("the probabilities of a prompt's tokens are not safe to ask for", spare_heads)
    _change("one client's schema may hold up the label answers of others", compile_aside)


def _change(otherwise: str, change: Callable[[Any, str], str | None]) -> None:
    try:
        import vllm
        from vllm.platforms import current_platform

        reason = change(type(current_platform), str(vllm.__version__))
    except Exception as error:  # whatever vLLM has become, it must start
        reason = f"{type(error).__name__}: {error}"
    # One line, not one for each process: the others are children of the first.
    if reason and multiprocessing.parent_process() is None:
        # Below "vllm", whose handler is the one that is set up.
        logging.getLogger("vllm.postil").warning("%s: %s", otherwise, reason)


def install(platform: Any, version: str, off: str = "") -> str | None:
    """Make ``platform``, a class, name postil's wrapper. Returns why it does not, where that is worth a line."""
    if not platform().is_cpu():
        return None
    if off not in ("", "0"):
        return f"{OFF} is set"
    if unknown := _unknown(version):
        return unknown
    if find_spec("numba") is None:
        return "numba, which vLLM asks for, is not installed"
    now = platform.get_punica_wrapper()
    if now == REPLACEMENT:
        return None
    if now != REPLACED:
        return f"{now} has taken their place"
    platform.get_punica_wrapper = classmethod(lambda cls: REPLACEMENT)
    return None


def calm(platform: Any, version: str) -> str | None:
    """Make this process nap where it would spin. Returns why it does not, where that is worth a line."""
    if not platform().is_cpu():
        return None
    if unknown := _unknown(version):
        return unknown
    nap(import_module(QUEUE))
    return None


def spare_heads(platform: Any, version: str) -> str | None:
    """Make adapters add nothing to logits, in whatever version of vLLM. Returns None."""
    after_import(HEAD, leave_alone)
    return None


def compile_aside(platform: Any, version: str) -> str | None:
    """Have grammars compiled in threads of low priority, and in enough of them. Returns None."""
    after_import(GRAMMARS, widen)
    return None


def verify(platform: Any, version: str) -> str | None:
    """Make this process load adapters from verified copies. Returns why it does not."""
    if unknown := _unknown(version):
        return unknown
    after_import(MANAGER, verify_loads)
    return None


def _unknown(version: str) -> str | None:
    return None if KNOWN.fullmatch(version) else f"vLLM {version} is not known to postil"
