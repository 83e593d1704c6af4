"""The blocks of a page of the documentation, and a shell in which they are run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import free_port

NOT_RUN = re.compile(r"<!-- not-run: (.+) -->")
FENCED = re.compile(r"^```(\w*)$")
FILE = re.compile(r"^# ([\w.-]+(?:/[\w.-]+)*\.(?:py|yaml|toml))(?: .*)?$")
SERVE = re.compile(r"^((?:[A-Z_]+=\S+ )*)(?:make serve|(postil serve.*?))(?: +# .*)?$")
EXPORT = re.compile(r"^export ([A-Z_]+)=(\S+)$", re.MULTILINE)
PORTS = (8080, 8081)
PROGRAMS = Path(sys.executable).parent
ENDS_WITHIN = 60.0
BLOCK_WITHIN = 240.0


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: its language (``shell`` where it is indented), text, line, and why it is not run."""

    language: str
    text: str
    line: int
    not_run: str = ""

    @property
    def file(self) -> str:
        """The file that the block is, as its first line says."""
        named = FILE.match(self.text.partition("\n")[0])
        return named[1] if named and self.language in ("python", "yaml", "toml") else ""


def blocks(page: str) -> list[Block]:
    """Every block of a page, in order."""
    return list(_blocks(page.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    at, reason = 0, ""
    while at < len(lines):
        line = lines[at]
        first, language = at + 1, "shell"
        if fence := FENCED.match(line):
            end = lines.index("```", at + 1)
            language, text = fence[1] or "text", "\n".join(lines[at + 1 : end])
            at = end + 1
        elif line.startswith("    ") and (at == 0 or not lines[at - 1].strip() or NOT_RUN.match(lines[at - 1])):
            end = next((n for n in range(at, len(lines)) if not lines[n].startswith("    ")), len(lines))
            text = "\n".join(said[4:] for said in lines[at:end])
            at = end
        else:
            marked = NOT_RUN.match(line)
            reason = marked[1] if marked else reason if not line.strip() else ""
            at += 1
            continue
        yield Block(language, text, first, reason)
        reason = ""


def commands(block: Block) -> Iterator[list[str]]:
    """Every call of ``postil`` in a block, as words."""
    for line in block.text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # A text in quotes that goes on: no command of ours is written so.
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words[:1] == ["postil"]:
            ends = [n for n, word in enumerate(words) if re.fullmatch(r"[|&;<>]+|\d?>.*", word)]
            yield words[1 : min(ends, default=len(words))]


class Reader:
    """A person who follows a page: a folder, a shell, and another terminal in which the gateway serves.

    Only ports differ from what the page says, and what ``instead`` names: ports that begin with 80 are others.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], instead: Mapping[str, str]) -> None:
        self.folder = folder
        self._instead = {**{f":{port}": f":{free_port()}" for port in PORTS}, **instead}
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "COLUMNS": "120", **environment, "POSTIL_PORT": self._port("")}
        self._gateways: dict[str, subprocess.Popen[bytes]] = {}
        self._serving: dict[str, tuple[str, str]] = {}
        self._shell: subprocess.Popen[str] | None = None

    @contextmanager
    def at_work(self) -> Iterator[Reader]:
        """Open the shell; what was started ends with the block."""
        command = ["bash", "--noprofile", "--norc"]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as self._shell:
            try:
                self._say("set -o pipefail; trap 'echo \"(failed: $BASH_COMMAND)\"' ERR")
                yield self
            finally:
                self.stop()
                assert self._shell.stdin is not None
                with suppress(BrokenPipeError):
                    self._shell.stdin.close()

    def follow(self, page: str) -> None:
        """Do what the page says, block by block. Raises AssertionError with the line where it is wrong."""
        said = ""
        for block in blocks(page):
            if block.not_run:
                continue
            if block.language == "text":
                _has(said, block)
            elif block.file:
                self._write(block)
            elif block.language == "shell":
                said = self._do(block)
            else:
                raise AssertionError(f"line {block.line}: run it, or mark it `<!-- not-run: reason -->`")

    def stop(self, *ports: str) -> None:
        """Press Ctrl-C in the terminals of the gateways at these ports, or in all."""
        for port in ports or list(self._gateways):
            if gateway := self._gateways.pop(port, None):
                with suppress(ProcessLookupError):
                    gateway.send_signal(signal.SIGINT)
                try:
                    gateway.wait(ENDS_WITHIN)
                except subprocess.TimeoutExpired:
                    gateway.kill()
                    raise

    def _port(self, settings: str) -> str:
        """The port that is meant: what these settings say, else 8080."""
        said = re.search(r"POSTIL_PORT=(\d+)", settings)
        return self._instead[f":{said[1] if said else 8080}"].removeprefix(":")

    def _do(self, block: Block) -> str:
        text = block.text
        for shown, real in self._instead.items():
            text = text.replace(shown, real)
        before, _, last = text.rpartition("\n")
        serve = SERVE.match(last)
        self._environment |= dict(EXPORT.findall(text))
        said = self._say(before if serve else text)
        assert "(failed: " not in said, f"line {block.line}: {said}"
        return said + self._serve(serve[1], serve[2] or "postil serve --demo") if serve else said

    def _serve(self, settings: str, command: str) -> str:
        port = self._port(settings)
        if self._serving.get(port) == (settings, command) and port in self._gateways:
            return ""  # The page before has it running.
        self.stop(port)
        self._serving[port] = (settings, command)
        given = dict(setting.split("=", 1) for setting in shlex.split(settings))
        environment = {**self._environment, **given, "POSTIL_PORT": port}
        log = self.folder / f"serve-{port}.log"
        with log.open("wb") as output:
            gateway = self._gateways[port] = subprocess.Popen(
                shlex.split(command), cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + ENDS_WITHIN
        while "postil is ready" not in log.read_text(encoding="utf-8"):
            assert gateway.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            threading.Event().wait(0.05)
        return log.read_text(encoding="utf-8")

    def _say(self, text: str) -> str:
        """Give the shell a text; returns what came of it."""
        assert self._shell is not None
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{text}\necho '(end of the block)'\n")
        self._shell.stdin.flush()
        said: list[str] = []
        # What a page waits for may never come.
        too_long = threading.Timer(BLOCK_WITHIN, self._shell.kill)
        too_long.start()
        try:
            for line in self._shell.stdout:
                if line.endswith("(end of the block)\n"):
                    return "".join([*said, line.removesuffix("(end of the block)\n")])
                said.append(line)
        finally:
            too_long.cancel()
        raise AssertionError(f"the shell ended: {''.join(said)}")

    def _write(self, block: Block) -> None:
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text + "\n", encoding="utf-8")


def _has(said: str, block: Block) -> None:
    """The lines that a page shows have to come in this order, whatever stands around them; ``...`` is anything."""
    text = " ".join(said.split())
    at = 0
    for line in block.text.splitlines():
        parts = [re.escape(" ".join(part.split())) for part in line.split("...")]
        found = re.compile(r" ?.*? ?".join(parts)).search(text, at)
        assert found, f"line {block.line}: {line!r} is not there, or too early, in {said!r}"
        at = found.end()
