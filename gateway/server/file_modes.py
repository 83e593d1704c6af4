"""Who may read and write what a gateway keeps: its user alone, or its group too where a setting says so.

Requests, answers, weights and keys' hashes are in these folders. Who may write one of them, or exchange it for
another, decides what the gateway serves.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from postil.gateway.errors import SettingsError
from postil.gateway.settings import Settings

log = logging.getLogger(__name__)
# What a gateway makes in its home. Nothing else there is touched: the folder may be somebody's for other things too.
_PLUGINS = "POSTIL_PLUGINS_DIR"
_OURS = ("lock", "admin.key", "logs", "artifacts", "base", "tmp")


def secure(settings: Settings) -> None:
    """Create the home, and take from others the right to read what an earlier version left to them.

    Raises SettingsError where others may write the home or the artifacts, or exchange one of them.
    """
    shared = settings.shared_with_group
    for folder, name in ((settings.home, "POSTIL_HOME"), (settings.artifact_folder, "POSTIL_ARTIFACTS")):
        _refuse_writable(folder, name, shared=shared)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o770 if shared else 0o700, exist_ok=True)
    repaired = [path for path in _kept(settings) if _repair(path, 0o007 if shared else 0o077)]
    if repaired:
        count, home = len(repaired), settings.home
        log.warning("%d files and folders under %s could be read by others and no longer can", count, home)
    if settings.admin_key_file in repaired:
        log.warning("the admin key could be read by others: delete %s for a new one", settings.admin_key_file)


def refuse_writable_plugins(folder: Path, *, shared: bool) -> None:
    """Raise SettingsError where others may write the folder of plugins or a file in it: their code would run here."""
    _refuse_writable(folder, _PLUGINS, shared=shared)
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.suffix == ".py" or path.is_dir() or path.is_symlink():
            _refuse_writable(path, _PLUGINS, shared=shared)


def _refuse_writable(folder: Path, name: str, *, shared: bool) -> None:
    """Look at a folder, where it leads, and every folder above: who may write one of these may exchange what is in it.

    In a folder with the sticky bit, such as /tmp, only a file's owner may.
    """
    places = {folder.absolute(), folder.resolve()}
    for path in sorted({above for place in places for above in (place, *place.parents)}):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        own = path in places
        if found.st_uid not in (os.geteuid(), 0) and not shared:
            raise SettingsError(
                f"{path} belongs to another user (uid {found.st_uid}), who could change what is served;"
                f" run `chown {os.geteuid()} {path}`, or set {name} to a folder of your own"
            )
        if (who := _writers(found, own=own, shared=shared)) and (own or not found.st_mode & stat.S_ISVTX):
            raise SettingsError(
                f"others may write {path}, and so could change what is served; run `chmod {who}-w {path}`"
                + ("" if who == "o" else ", or set POSTIL_SHARED_WITH_GROUP=true where its group may")
            )


def _writers(found: os.stat_result, *, own: bool, shared: bool) -> str:
    """Which of ``g`` and ``o`` may write and must not. Above one's own folders the gateway's own group may."""
    trusted = shared or (not own and found.st_gid in (os.getegid(), 0))
    group = "g" if found.st_mode & stat.S_IWGRP and not trusted else ""
    return group + ("o" if found.st_mode & stat.S_IWOTH else "")


def _kept(settings: Settings) -> Iterator[Path]:
    """Yield everything that a gateway keeps, without following links."""
    yield settings.home
    for root in {settings.artifact_folder, *(settings.home / name for name in _OURS)}:
        yield root
        for folder, folders, files in os.walk(root):
            yield from (Path(folder, name) for name in (*folders, *files))
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database:
        yield from (Path(url.database + end) for end in ("", "-wal", "-shm"))


def _repair(path: Path, others: int) -> bool:
    """Take the rights of ``others`` away; whether there were any. A folder of another owner stays as it is."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not mode & others:
            return False
        path.chmod(stat.S_IMODE(mode) & ~others)
    except FileNotFoundError:
        return False
    except PermissionError:
        log.warning("%s can be read by others, and only its owner can change that with `chmod go-rwx`", path)
        return False
    return True
