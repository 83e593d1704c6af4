"""Who may read and write what a gateway keeps: its user alone, or its group too where a setting says so.

Requests, answers, weights and keys' hashes are in these folders. Who may write one of them, or exchange it for
another, decides what the gateway serves.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from postil.gateway.errors import SettingsError
from postil.gateway.settings import Settings
from postil.gateway.settings.files import database_files, trusted_paths

log = logging.getLogger(__name__)
# What a gateway makes in its home. Nothing else there is touched: the folder may be somebody's for other things too.
_PLUGINS = "POSTIL_PLUGINS_DIR"
_OURS = ("lock", "admin.key", "logs", "artifacts", "base", "tmp", "jobs-holder")


def secure(settings: Settings) -> None:
    """Create the home, and take from others the right to read what an earlier version left to them.

    Raises SettingsError where others may write the home, the artifacts or a file that settings name, or exchange one.
    """
    shared = settings.shared_with_group
    for folder, name in (
        (settings.home, "POSTIL_HOME"),
        (settings.artifact_folder, "POSTIL_ARTIFACTS"),
        (settings.training, "POSTIL_TRAINING_FOLDER"),
    ):
        _refuse_writable([folder], name, shared=shared)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o770 if shared else 0o700, exist_ok=True)
    for name, path in trusted_paths(settings, os.environ):
        _refuse_writable(_all_in(path), name, shared=shared, ours=False)
    repaired = [path for path in _kept(settings) if _repair(path, 0o007 if shared else 0o077)]
    if repaired:
        count, home = len(repaired), settings.home
        log.warning("%d files and folders under %s could be read by others and no longer can", count, home)
    if settings.admin_key_file in repaired:
        log.warning("the admin key could be read by others: delete %s for a new one", settings.admin_key_file)


def refuse_writable_plugins(folder: Path, *, shared: bool) -> None:
    """Raise SettingsError where others may write the folder of plugins or a file in it: their code would run here."""
    _refuse_writable(_all_in(folder), _PLUGINS, shared=shared)


def _all_in(path: Path) -> Iterator[Path]:
    """Yield a file, or a folder with all that is in it and in what links in it lead to: libraries and data too."""
    yield path
    seen = {_resolved(path)}
    for folder, folders, files in os.walk(path, followlinks=True):
        yield from (Path(folder, name) for name in (*folders, *files))
        # A link to a folder above leads round in a circle.
        new = {name: resolved for name in folders if (resolved := _resolved(Path(folder, name))) not in seen}
        seen |= set(new.values())
        folders[:] = new


def _resolved(path: Path) -> Path:
    """Where links lead; unlike ``Path.resolve``, of those that lead in a circle too."""
    return Path(os.path.realpath(path))


def _refuse_writable(paths: Iterable[Path], name: str, *, shared: bool, ours: bool = True) -> None:
    """Look at paths, where they lead, and every folder above: who may write one of these may exchange what is in it.

    In a folder with the sticky bit, such as /tmp, only a file's owner may. What is not ``ours`` may be another user's:
    who names it trusts its owner.
    """
    places = {place for path in paths for place in (path.absolute(), _resolved(path))}
    for path in sorted({above for place in places for above in (place, *place.parents)}):
        try:
            found = path.stat()
        except OSError:  # It is not there, or in a folder that this user cannot look into.
            continue
        own = path in places
        if ours and found.st_uid not in (os.geteuid(), 0) and not shared:
            raise SettingsError(
                f"{path} belongs to another user (uid {found.st_uid}), who could change what is served;"
                f" run `chown {os.geteuid()} {path}`, or set {name} to one of your own"
            )
        who = _writers(found, own=own and ours, shared=shared)
        if who and (own or not found.st_mode & stat.S_ISVTX):
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
    for root in {settings.artifact_folder, settings.training, *(settings.home / name for name in _OURS)}:
        yield root
        for folder, folders, files in os.walk(root):
            yield from (Path(folder, name) for name in (*folders, *files))
    yield from database_files(settings)


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
