"""Gives birth to gateways: ``python -m tests.gateway.crash.spawner LOG``, then a line on its standard input for each.

Three quarters of a start are imports. Here they are done once; each gateway is a fork that runs ``postil serve`` from
its first line on. Answers with the new process's id, and with the status with which it ended.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from postil.gateway.cli.main import run


def main(log: str) -> None:
    """Start one gateway after the other until nobody asks for more."""
    while sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _serve(log)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _serve(log: str) -> None:
    nothing, out = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.chdir(Path(log).parent)  # Where nobody's postil.toml lies.
    sys.argv = ["postil", "serve"]
    run()
    sys.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
