"""What a newcomer does, in a clone with nothing installed: ``make setup``, the three questions, Ctrl-C.

Run by the machine's own Python (``.ci/run``), before anything that only tests need is installed: what serving itself
lacks would not be missed afterwards. What serves is the built wheel, in a fresh environment that has the engine of
``.venv`` beside it: what the wheel lacks would not be missed in the clone. ``make serve`` runs the same command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.from_wheel import built_wheel, run

ROOT = Path(__file__).resolve().parents[1]
MINUTES = 20
QUESTIONS = {
    "demo-clinic": ("I have chest pain and nausea", "healthcare/triage@2", "symptoms"),
    "demo-lawfirm": ("Either party may end this agreement with 30 days notice", "legal/clause@1", "termination"),
    "demo-bank": ("There is a payment on my statement that I never made", "finance/intent@1", "fraud"),
}


def main() -> None:
    """Exit with a sentence if anything is not as the README says."""
    if (ROOT / ".venv").exists():
        print("from nothing: skipped, .venv is there already; run it in a fresh clone")
        return
    subprocess.run(["make", "setup"], cwd=ROOT, check=True)
    told = subprocess.run(["make", "-n", "serve"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    if not told.rstrip().endswith(".venv/bin/postil serve --demo"):
        sys.exit(f"from nothing: `make serve` runs something else: {told}")
    with built_wheel(ROOT / ".venv" / "bin" / "python") as wheel, beside_the_engine(wheel) as program:
        serve_and_ask(program)


@contextmanager
def beside_the_engine(wheel: Path) -> Iterator[Path]:
    """Install the wheel into a fresh environment that sees the packages of ``.venv``; yields its program."""
    with tempfile.TemporaryDirectory() as folder:
        run([ROOT / ".venv" / "bin" / "python", "-m", "venv", folder])
        (packages,) = (ROOT / ".venv").glob("lib/python3.*/site-packages")
        (own,) = Path(folder).glob("lib/python3.*/site-packages")
        (own / "engine.pth").write_text(f"{packages}\n")
        pip: list[str | Path] = [
            Path(folder) / "bin" / "python",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
        ]
        run([*pip, "--no-deps", "--ignore-installed", wheel])
        yield Path(folder) / "bin" / "postil"


def serve_and_ask(program: Path) -> None:
    """Serve the demo, ask the three questions, and see that nothing is left after Ctrl-C."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "POSTIL_HOME": home, "POSTIL_PORT": str(port)}
        command = [str(program), "serve", "--demo"]
        serving = subprocess.Popen(command, cwd=home, env=environment, start_new_session=True)
        try:
            wait_until_ready(serving, port)
            for key, (question, release, label) in QUESTIONS.items():
                check(port, key, question, release, label)
            if not any("vllm" in process for process in of_home(home)):
                sys.exit("from nothing: no vLLM is seen while it answers, so its end would not be either")
        finally:
            if serving.poll() is None:
                os.killpg(serving.pid, signal.SIGINT)
            serving.wait(timeout=120)
        left = of_home(home)
    if left:
        sys.exit(f"from nothing: processes outlived Ctrl-C: {left}")
    print("from nothing: the wheel's `postil serve --demo` answered the three questions, and Ctrl-C ended all of it")


def wait_until_ready(serving: subprocess.Popen[bytes], port: int) -> None:
    """Return when the gateway is ready; exit if it ends, or takes too long."""
    deadline = time.monotonic() + 60 * MINUTES
    while time.monotonic() < deadline:
        if serving.poll() is not None:
            sys.exit(f"from nothing: `postil serve --demo` ended with status {serving.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    sys.exit(f"from nothing: not ready after {MINUTES} minutes")


def check(port: int, key: str, question: str, release: str, label: str) -> None:
    """Ask as the README does, and exit unless the answer is what it says."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps({"messages": [{"role": "user", "content": question}]}).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        answer = json.loads(response.read())["choices"][0]["message"]["content"]
        found = (response.headers["x-postil-release"], json.loads(answer))
    if found != (release, {"category": label}):
        sys.exit(f"from nothing: {key} was answered {found}")
    print(f"from nothing: {key}: {found[0]} {answer}")


def of_home(home: str) -> list[str]:
    """The processes that run with this folder in their arguments or their environment, as all that is started does."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:
            continue  # It has ended, or is somebody else's.
        if home.encode() in arguments + environment:
            found.append(f"{folder.name} {arguments.replace(bytes(1), b' ').decode(errors='replace')[:100]}")
    return found


if __name__ == "__main__":
    main()
