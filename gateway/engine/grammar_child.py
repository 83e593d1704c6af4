"""Compiles one constraint as vLLM would, in a process of its own that can be killed. Imports torch; nobody imports it.

The arguments are the folder of the base model and the process that this one ends with; the constraint (a value of
``structured_outputs``) is read as JSON from the input. What the compiler refuses is printed; the status says the rest.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from postil.plugins.child_process import end_with

REFUSED, NOT_TRIED = 3, 4
# Once everything is imported, compiling may take so much more.
_CPU_SECONDS = 10
_BYTES = 2 << 30


def main() -> int:
    """Compile it; returns the status."""
    end_with(int(sys.argv[2]))
    constraint = json.load(sys.stdin)
    try:
        import xgrammar
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
        compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(tokenizer), cache_enabled=False)
    except Exception as error:  # Without a compiler or a tokenizer that it knows, nothing can be said.
        print(type(error).__name__)
        return NOT_TRIED
    _limit()
    try:
        compiler.compile_structural_tag(constraint["structural_tag"])
    except (RuntimeError, ValueError, MemoryError) as error:
        print(str(error) or "it takes more than 2 GiB of memory")
        return REFUSED
    return 0


def _limit() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + _CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    (held,) = (int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
    resource.setrlimit(resource.RLIMIT_DATA, ((held << 10) + _BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
