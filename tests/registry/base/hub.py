"""As much of a model hub as huggingface_hub asks for: what a revision holds, and its files."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + "0" * 34
_INFO = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(/revision/(?P<revision>[^/?]+))?(\?.*)?")
_TREE = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/?]+)(\?.*)?")
_FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>[^?]+)(\?.*)?")


class Hub(ThreadingHTTPServer):
    """Serves the files of ``folder`` as one repository that has one commit and the branch ``main``."""

    daemon_threads = True

    def __init__(self, repo: str, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repo, self.folder = repo, folder
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        """What HF_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer as GET, without the content."""
        self._answer(send=False)

    def do_GET(self) -> None:
        """Answer what was asked."""
        self._answer(send=True)

    def _answer(self, *, send: bool) -> None:
        if (match := _INFO.fullmatch(self.path)) and self._known(match):
            self._respond(200, self._info(), {"Content-Type": "application/json"}, send)
        elif (match := _TREE.fullmatch(self.path)) and self._known(match):
            self._respond(200, self._tree(), {"Content-Type": "application/json"}, send)
        elif (match := _FILE.fullmatch(self.path)) and self._known(match):
            self._file(self.server.folder / match["name"], send)
        else:
            self._respond(404, b'{"error": "not found"}', {"X-Error-Code": "RepoNotFound"}, send)

    def _known(self, match: re.Match[str]) -> bool:
        return match["repo"] == self.server.repo and match["revision"] in (None, "main", COMMIT)

    def _info(self) -> bytes:
        names = sorted(path.name for path in self.server.folder.iterdir())
        info = {"id": self.server.repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
        return json.dumps(info).encode()

    def _tree(self) -> bytes:
        files = sorted(self.server.folder.iterdir())
        return json.dumps(
            [{"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _etag(file)} for file in files]
        ).encode()

    def _file(self, path: Path, send: bool) -> None:
        if send:
            self.server.fetched.append(path.name)
        self._respond(200, path.read_bytes(), {"ETag": f'"{_etag(path)}"', "X-Repo-Commit": COMMIT}, send)

    def _respond(self, status: int, content: bytes, headers: Mapping[str, str], send: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if send:
            self.wfile.write(content)


def _etag(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def serving(repo: str, folder: Path) -> Iterator[Hub]:
    """A hub on loopback for as long as the block lasts."""
    hub = Hub(repo, folder)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
