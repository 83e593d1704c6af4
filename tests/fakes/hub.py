"""A small model hub on loopback: repositories with commits, as much of the protocol as huggingface_hub speaks.

Files whose name ends with ``.safetensors`` lie in its large file storage, as on a real hub. What it does wrong, it does
because a test told it so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

Files = dict[str, bytes]


@dataclass
class Repo:
    """One repository: its commits by their names, its branches, and who may see it."""

    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Make a commit that holds these files and nothing else."""
        listing = sorted((name, hashlib.sha1(content).hexdigest()) for name, content in files.items())
        name = hashlib.sha1(f"{len(self.commits)}{listing}".encode()).hexdigest()
        self.commits[name] = dict(files)
        self.branches[branch] = name
        return name

    def find(self, revision: str | None) -> str | None:
        """The commit that a revision names."""
        name = self.branches.get(revision or "main", revision or "")
        return name if name in self.commits else None


class Hub(ThreadingHTTPServer):
    """The server. ``token`` is the only one that it knows; it owns every organisation but ``stranger``.

    ``fetched`` lists the files that were downloaded, ``calls`` every request. ``cdn`` is another hub that downloads
    are redirected to. ``tamper`` makes something else of the bytes. Until ``hold`` is set, files come byte by byte,
    and ``held`` says that one does, ``left`` that its client is gone. ``answer_all`` is a status for every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, Repo] = {}
        self.storage: dict[str, bytes] = {}
        self.token = "hf_right"
        self.fetched: list[str] = []
        self.calls: list[tuple[str, str, str | None]] = []
        self.cdn: Hub | None = None
        self.tamper: Callable[[bytes], bytes] = lambda content: content
        self.hold: threading.Event | None = None
        self.held, self.left = threading.Event(), threading.Event()
        self.answer_all: int | None = None
        self.refuse_uploads = False

    def add(self, repo: str, files: Mapping[str, bytes] | Path) -> str:
        """Add a commit, with its repository if need be; returns the commit's name."""
        if isinstance(files, Path):
            files = {path.name: path.read_bytes() for path in files.iterdir()}
        return self.repos.setdefault(repo, Repo()).commit(files)

    @property
    def url(self) -> str:
        """What HF_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client has left."""
        self.left.set()


class RefusedError(Exception):
    """A status other than 200, with the hub's own word for why."""

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(status)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub
    routes: Mapping[str, Mapping[str, str]] = {
        "GET": {
            r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?": "info",
            r"/api/models/([^/]+/[^/]+)/tree/([^/]+)": "tree",
            r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)": "file",
            r"/cdn/([0-9a-f]+)": "stored",
        },
        "POST": {
            r"/api/repos/create": "create",
            r"/api/validate-yaml": "validate",
            r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)": "preupload",
            r"/api/models/([^/]+/[^/]+)/commit/([^/]+)": "commit",
            r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch": "batch",
        },
        "PUT": {r"/lfs/([0-9a-f]+)": "store"},
    }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def answer(self) -> None:
        """Answer what was asked."""
        path = self.path.partition("?")[0]
        self.body = self._read()
        self.server.calls.append((self.command, path, self.headers["Authorization"]))
        try:
            if self.server.answer_all is not None:
                raise RefusedError(self.server.answer_all)
            for pattern, name in self.routes["GET" if self.command == "HEAD" else self.command].items():
                if match := re.fullmatch(pattern, path):
                    getattr(self, f"_{name}")(*match.groups())
                    return
            raise RefusedError(404)
        except RefusedError as error:
            self._respond(error.status, b'{"error": "refused"}', {"X-Error-Code": error.code} if error.code else {})

    do_HEAD = do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names of the base class

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _info(self, name: str, revision: str | None) -> None:
        commit, files = self._files(name, revision)
        siblings = [{"rfilename": path, "size": len(content), **_lfs(path, content)} for path, content in files.items()]
        self._json({"id": name, "sha": commit, "siblings": siblings})

    def _tree(self, name: str, revision: str) -> None:
        _, files = self._files(name, revision)
        self._json([
            {"type": "file", "path": path, "size": len(content), "oid": _sha256(content), **_lfs(path, content)}
            for path, content in files.items()
        ])  # fmt: skip

    def _file(self, name: str, revision: str, path: str) -> None:
        commit, files = self._files(name, revision)
        path = unquote(path)
        if path not in files:
            raise RefusedError(404, "EntryNotFound")
        if self.command == "GET":
            self.server.fetched.append(path)
        digest = _sha256(files[path])
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": commit}
        if self.server.cdn is None:
            self._content(files[path], headers)
            return
        self.server.cdn.storage[digest] = files[path]
        linked = {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(files[path]))}
        self._respond(302, b"", {**headers, **linked, "Location": f"{self.server.cdn.url}/cdn/{digest}"})

    def _stored(self, digest: str) -> None:
        self._content(self.server.storage[digest], {})

    def _create(self) -> None:
        self._allow("write")
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] == "stranger":
            raise RefusedError(403)
        if name in self.server.repos:
            self._json({"url": f"{self.server.url}/{name}"}, 409)
            return
        self.server.repos[name] = Repo(private=asked.get("visibility") == "private")
        self.server.repos[name].commit({".gitattributes": b""})
        self._json({"url": f"{self.server.url}/{name}"})

    def _validate(self) -> None:
        front = json.loads(self.body)["content"].split("---\n")[1]
        fine = yaml.safe_load(front).get("library_name") == "peft"
        self._json({"errors": [] if fine else [{"message": "?"}]}, 200 if fine else 400)

    def _preupload(self, name: str, revision: str) -> None:
        self._files(name, revision)
        paths = [file["path"] for file in json.loads(self.body)["files"]]
        modes = {path: "lfs" if path.endswith(".safetensors") else "regular" for path in paths}
        self._json({"files": [{"path": path, "uploadMode": modes[path], "shouldIgnore": False} for path in paths]})

    def _batch(self, name: str) -> None:
        objects = json.loads(self.body)["objects"]
        upload = {one["oid"]: {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}"}} for one in objects}
        self._json({"transfer": "basic", "objects": [{**one, "actions": upload[one["oid"]]} for one in objects]})

    def _store(self, digest: str) -> None:
        if self.server.refuse_uploads or _sha256(self.body) != digest:
            raise RefusedError(422)
        self.server.storage[digest] = self.body
        self._respond(200, b"", {})

    def _commit(self, name: str, revision: str) -> None:
        self._allow("write")
        _, files = self._files(name, revision)
        files = dict(files)
        for line in self.body.splitlines():
            entry = json.loads(line)
            value: dict[str, Any] = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.storage[value["oid"]]
        commit = self.server.repos[name].commit(files, revision)
        self._json({"commitUrl": f"{self.server.url}/{name}/commit/{commit}", "commitOid": commit})

    def _files(self, name: str, revision: str | None) -> tuple[str, Files]:
        repo = self.server.repos.get(name)
        if repo is None or (repo.private and not self._known()):
            raise RefusedError(401 if not self._known() else 404, "RepoNotFound")
        if repo.gated:
            raise RefusedError(403, "GatedRepo")
        self._allow("read")
        commit = repo.find((revision or "main").replace("%2F", "/"))
        if commit is None:
            raise RefusedError(404, "RevisionNotFound")
        return commit, repo.commits[commit]

    def _allow(self, what: str) -> None:
        """Nobody may read with a wrong token, or write without one."""
        given = self.headers["Authorization"]
        if (given or what == "write") and not self._known():
            raise RefusedError(401)

    def _known(self) -> bool:
        return bool(self.headers["Authorization"] == f"Bearer {self.server.token}")

    def _json(self, value: object, status: int = 200) -> None:
        self._respond(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _content(self, content: bytes, headers: Mapping[str, str]) -> None:
        content = self.server.tamper(content)
        if self.server.hold is None or self.command == "HEAD":
            self._respond(200, content, headers)
            return
        self._respond(200, b"", headers, length=len(content))
        sent = 0
        while not self.server.hold.wait(0.05) and sent < len(content):
            self.wfile.write(content[sent : sent + 1])
            sent += 1
            self.server.held.set()
        self.wfile.write(content[sent:])

    def _respond(self, status: int, content: bytes, headers: Mapping[str, str], *, length: int | None = None) -> None:
        self.send_response(status)
        size = len(content) if length is None else length
        for name, value in {**headers, "Content-Length": str(size)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _lfs(path: str, content: bytes) -> dict[str, Any]:
    if not path.endswith(".safetensors"):
        return {}
    return {"lfs": {"size": len(content), "sha256": _sha256(content), "oid": _sha256(content), "pointerSize": 130}}


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """A hub for as long as the block lasts."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        if hub.hold is not None:
            hub.hold.set()
        hub.shutdown()
        thread.join()
        hub.server_close()
