"""Compiles one constraint as vLLM would, in a process of its own that can be killed. Imports torch; nobody imports it.

The arguments are the folder of the base model and the process that this one ends with; the constraint (a value of
``structured_outputs``) is read as JSON from the input. What the compiler refuses is printed; the status says the rest.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from postil.plugins.child_process import bound_memory, bound_time, end_with

REFUSED, NOT_TRIED = 3, 4
# Once everything is imported, compiling may take so much more.
_CPU_SECONDS = 10
_BYTES = 2 << 30
_WITHOUT_WORDS: dict[type[Exception], str] = {MemoryError: "it takes more than 2 GiB of memory"}


def main() -> int:
    """Compile it; returns the status."""
    end_with(int(sys.argv[2]))
    os.environ["HF_HUB_OFFLINE"] = "1"
    constraint = json.load(sys.stdin)
    try:
        import xgrammar
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
        compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(tokenizer), cache_enabled=False)
    except Exception as error:  # Without a compiler or a tokenizer that it knows, nothing can be said.
        print(type(error).__name__)
        return NOT_TRIED
    bound_time(_CPU_SECONDS)
    bound_memory(_held() + _BYTES)
    try:
        compiler.compile_structural_tag(constraint["structural_tag"])
    except Exception as error:  # Whatever it is, it would be raised in vLLM too.
        print(str(error) or _WITHOUT_WORDS.get(type(error), type(error).__name__))
        return REFUSED
    return 0


def _held() -> int:
    """How many bytes of memory of its own this process has."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData")) << 10


if __name__ == "__main__":
    sys.exit(main())
