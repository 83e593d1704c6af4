"""Trains in a process of its own, which is ``python -m postil.registry.training.rounds.child PARENT REFUSAL``.

The process takes the options as JSON on standard input and ends with its parent. What it shows goes to standard error;
why it refused, to the file that it is given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from postil.plugins.child_process import end_with
from postil.registry.errors import RegistryError
from postil.registry.training.dispatch import find_method, trainer
from postil.registry.training.errors import RoundError
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.progress import Lines
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Bar

_TOO_LITTLE = "the memory is not enough; name a smaller batch_size or fewer targets in the file of --config"
_INTERRUPTED = 130


def train_apart(options: TrainOptions) -> None:
    """Train with ``options`` in a process of its own, whose memory is given back when it ends. Raises RoundError."""
    with tempfile.TemporaryDirectory(prefix="postil-round-") as scratch:
        refusal = Path(scratch, "refusal")
        process = subprocess.run(
            [sys.executable, "-P", "-m", "postil.registry.training.rounds.child", str(os.getpid()), str(refusal)],
            input=options.model_dump_json(exclude_unset=True),
            encoding="utf-8",
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if process.returncode:
            said = refusal.read_text(encoding="utf-8") if refusal.exists() else ""
            raise RoundError(said or f"the training ended with status {process.returncode}; the same command goes on")


def work(refusal: Path, train: Callable[[], object]) -> int:
    """Train; return the exit status. What is refused is written to ``refusal`` in one sentence."""
    try:
        train()
    except RegistryError as error:
        return _refused(refusal, str(error))
    except MemoryError:
        return _refused(refusal, _TOO_LITTLE)
    except RuntimeError as error:  # torch's, also where memory is short.
        if "memory" not in str(error):
            raise
        return _refused(refusal, _TOO_LITTLE)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def train_as_told(text: bytes) -> None:
    """Train with options as JSON, with the progress on standard error. Raises what training does."""
    method = json.loads(text).get("method", "classify")
    options = find_method(method).options.model_validate_json(text)
    console = Console(stderr=True)
    with Bar(console, rows=False) as bar:
        watcher = Lines(console, rows=False) if isinstance(options, MethodOptions) else bar
        trainer(options.method, options.tune)(options, watcher)


def _refused(refusal: Path, said: str) -> int:
    refusal.write_text(said, encoding="utf-8")
    return 1


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    sys.exit(work(Path(sys.argv[2]), lambda: train_as_told(sys.stdin.buffer.read())))
