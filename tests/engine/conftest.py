"""The real thing, started once for all: ``postil serve --demo`` with the real vLLM, and the real command beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.paths import ROOT
from tests.support.servers import free_port

POSTIL = Path(sys.executable).parent / "postil"
START_SECONDS = 420


@dataclass
class Served:
    """A running ``postil serve --demo``."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    log: Path
    seconds_to_ready: float = 0.0

    def environment(self) -> dict[str, str]:
        """What the command needs to find this gateway."""
        port = self.url.rpartition(":")[2]
        return {**os.environ, "POSTIL_HOME": str(self.home), "POSTIL_PORT": port}

    def postil(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a user would."""
        return subprocess.run(
            [str(POSTIL), *arguments], env=self.environment(), capture_output=True, text=True, timeout=120
        )

    def postil_json(self, *arguments: str) -> Any:
        """Run the command and read its JSON."""
        done = self.postil(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def client(self, key: str) -> httpx.Client:
        """A client with a key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=300)

    def ask(self, key: str, text: str, **body: Any) -> httpx.Response:
        """One chat completion."""
        with self.client(key) as client:
            messages = [{"role": "user", "content": text}]
            return client.post("/v1/chat/completions", json={"messages": messages, **body})

    def everybody(self) -> list[psutil.Process]:
        """The gateway and all that it started, however deep."""
        gateway = psutil.Process(self.process.pid)
        return [gateway, *gateway.children(recursive=True)]

    def wait_until_ready(self) -> None:
        """Return when the gateway says that it is ready; fail with its log if that takes too long or it ends."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def stop(self) -> int:
        """Ctrl-C, and its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def start(home: Path) -> Served:
    """Start ``postil serve --demo`` on a free port and wait until it is ready."""
    port = free_port()
    log = home / "serve.log"
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "POSTIL_HOME": str(home), "POSTIL_PORT": str(port)}
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen([str(POSTIL), "serve", "--demo"], env=environment, stdout=out, stderr=out, cwd=ROOT)
    served = Served(f"http://127.0.0.1:{port}", home, process, log)
    served.wait_until_ready()
    served.seconds_to_ready = time.monotonic() - began
    return served


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder, empty; the base model is converted in it as at any first start."""
    return tmp_path_factory.mktemp("served") / "home"


@pytest.fixture(scope="session")
def running(home: Path) -> Iterator[list[Served]]:
    """The gateway of this session; a test that ends it puts another in its place."""
    served = [start(home)]
    try:
        yield served
    finally:
        served[0].stop()


@pytest.fixture
def served(running: list[Served]) -> Served:
    """The running gateway, ready."""
    running[0].wait_until_ready()
    return running[0]
