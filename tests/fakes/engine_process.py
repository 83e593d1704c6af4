"""Runs the fake vLLM as a program: ``python -m tests.fakes.engine_process SOCKET [how to behave]``, or ``--port PORT``.

On a socket it starts, like the real one, a helper of its own, in a session of its own, whose process id it writes to
SOCKET.pid; while SOCKET.sick or SOCKET.hang is there, it is. How to behave: ``dies`` ends at once, ``stubborn`` ignores
requests to end.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import uvicorn

from tests.fakes.hanging import Hanging
from tests.fakes.middleware import with_middleware
from tests.fakes.vllm import FakeVLLM


def main(socket: str, behaviour: str = "", *more: str) -> None:
    """Serve until ended."""
    if socket == "--port":
        uvicorn.run(FakeVLLM(), port=int(behaviour), log_level="critical", lifespan="off", ws="none")
        return
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    Path(f"{socket}.pid").write_text(str(helper.pid))
    engine = with_middleware(Hanging(FakeVLLM(sick_while=Path(f"{socket}.sick")), Path(f"{socket}.hang")), more)
    if behaviour == "dies":
        sys.exit("ValueError: Error: this model cannot be loaded")
    server = uvicorn.Server(uvicorn.Config(engine, uds=socket, log_level="critical", lifespan="off", ws="none"))
    if behaviour == "stubborn":
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        asyncio.run(server._serve())
    else:
        server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
