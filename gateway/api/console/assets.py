"""The console's style, script and icon, each under a name with the hash of what is in it, so that browsers keep it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from postil.gateway.errors import NotFoundError

PREFIX = "/console/static/"
_FOLDER = Path(__file__).parent / "static"
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_KEPT = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Assets:
    """The files by the names that they are served under, and these names by those of the files."""

    files: Mapping[str, tuple[str, bytes]]
    names: Mapping[str, str]

    @classmethod
    def read(cls) -> Assets:
        """Read the files of this package."""
        files, names = {}, {}
        for path in sorted(_FOLDER.iterdir()):
            if (kind := _KINDS.get(path.suffix)) is not None:
                text = path.read_bytes()
                name = f"{path.stem}.{hashlib.sha256(text).hexdigest()[:16]}{path.suffix}"
                files[name], names[path.name] = (kind, text), PREFIX + name
        return cls(files, names)

    def url(self, name: str) -> str:
        """Return where a file is served."""
        return self.names[name]


def asset_route(assets: Assets) -> Any:
    """Return the route that serves them; they are the same for everybody, signed in or not."""

    @get("/static/{name:str}", public=True, sync_to_thread=False)
    def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in assets.files:
            raise NotFoundError("there is no such file; open the console again for those of this version")
        kind, text = assets.files[name]
        return Response(text, media_type=kind, headers=_KEPT)

    return asset
