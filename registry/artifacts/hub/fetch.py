"""Downloads an adapter from a hub: only its own files, no pickle, within a size and a time limit."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postil.registry.artifacts.contents import LOOKED_AT, check_complete
from postil.registry.artifacts.hub.ref import COMMIT, HubRef
from postil.registry.errors import HubError, SourceError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

_HERE = " where the gateway runs"
_SILENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits of a download in bytes and seconds, and whether it is still wanted."""

    limit: int
    seconds: float
    stop: threading.Event


@dataclass(frozen=True, slots=True)
class Fetched:
    """The exact origin of what was fetched, with its commit, and the paths of all that is there."""

    ref: HubRef
    names: Sequence[str]


def connect(*, anonymous: bool = False) -> HfApi:
    """Return a client of the hub at HF_ENDPOINT, with the token from HF_TOKEN or `hf auth login`, or without one."""
    from huggingface_hub import HfApi

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    return HfApi(endpoint=endpoint, token=False if anonymous else None, library_name="postil")


def fetch(ref: HubRef, folder: Path, patience: Patience, *, anonymous: bool = False) -> Fetched:
    """Download an adapter's files into ``folder``.

    ``anonymous`` fetches what everybody may, without the gateway's token. The hub's cache is neither read nor written.
    Raises SourceError or HubError.
    """
    from postil.registry.artifacts.hub.errors import translated

    api = connect(anonymous=anonymous)
    with translated(ref, api.endpoint, place=_HERE, alike=True):
        info = api.model_info(ref.repo, revision=ref.revision, files_metadata=True, timeout=_SILENCE_SECONDS)
        if not COMMIT.fullmatch(info.sha or ""):
            raise HubError(f"{api.endpoint} names no commit of {ref}; check HF_ENDPOINT{_HERE}")
        pinned = HubRef(ref.repo, info.sha, ref.folder)
        inside = {
            file.rfilename.removeprefix(ref.prefix): file
            for file in info.siblings or ()
            if file.rfilename.startswith(ref.prefix)
        }
        check_complete(str(ref), inside, SourceError)
        files = {name: file for name, file in inside.items() if name in LOOKED_AT}
        _check_size(ref, files.values(), patience.limit)
        download = _Download(api, pinned, patience, time.monotonic() + patience.seconds)
        for name, file in files.items():
            download.file(file, folder / name)
    return Fetched(pinned, sorted(inside))


def _check_size(ref: HubRef, files: Iterable[RepoSibling], limit: int) -> None:
    size = sum(file.size or 0 for file in files)
    if size > limit:
        raise SourceError(
            f"the adapter in {ref} is of {-(-size >> 20)} MiB, and this gateway takes {limit >> 20} MiB;"
            " publish a smaller one, or raise POSTIL_UPLOAD_LIMIT_MIB"
        )


class _Download:
    """Downloads the files of one commit in turn, within one size limit and one deadline."""

    def __init__(self, api: HfApi, pinned: HubRef, patience: Patience, deadline: float) -> None:
        self._api = api
        self._ref = pinned
        self._patience = patience
        self._left = patience.limit
        self._deadline = deadline

    def file(self, file: RepoSibling, target: Path) -> None:
        """Download one file and check it against its stated size and hash. Raises SourceError or HubError."""
        before, digest = self._left, hashlib.sha256()
        with target.open("xb") as sink:
            for chunk in self._chunks(file.rfilename):
                sink.write(chunk)
                digest.update(chunk)
        wrong_size = file.size is not None and file.size != before - self._left
        if wrong_size or (file.lfs is not None and file.lfs.sha256 != digest.hexdigest()):
            raise HubError(f"{file.rfilename} of {self._ref} is not what the hub says that it is; try again")

    def _chunks(self, name: str) -> Iterator[bytes]:
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        url = hf_hub_url(self._ref.repo, name, revision=self._ref.revision, endpoint=self._api.endpoint)
        headers = {**build_hf_headers(token=self._api.token, library_name="postil"), "Accept-Encoding": "identity"}
        with get_session().stream("GET", url, headers=headers, timeout=_SILENCE_SECONDS) as response:
            if response.is_error:
                response.read()  # Keep the error's own message.
            hf_raise_for_status(response)
            for chunk in response.iter_bytes():
                self._spend(len(chunk))
                yield chunk

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise SourceError(f"more than {self._patience.limit >> 20} MiB came for {self._ref}; publish a smaller one")
        if self._patience.stop.is_set():
            raise HubError(f"the download of {self._ref} was given up")
        if time.monotonic() > self._deadline:
            raise HubError(
                f"{self._ref} was not there after {self._patience.seconds:g} s; try again,"
                " or raise POSTIL_HUB_TIMEOUT_SECONDS"
            )
