"""Writes the result to a temporary folder and renames it, so that nobody sees an incomplete adapter."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from postil.registry.defaults import REPORT
from postil.registry.training.checkpoints import RUN, TRAINER, newest
from postil.registry.training.errors import OutFolderError
from postil.registry.training.report import TrainReport

if TYPE_CHECKING:
    from peft import PeftModel

# Beside the weights: the configuration and the report.
_MORE_BYTES = 4 << 20
_LOCK = "lock"


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse a folder that is in use, unless it is an earlier result to overwrite. Raises OutFolderError."""
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise OutFolderError(f"{out} exists; name another folder or pass --overwrite")
    # Overwriting deletes the folder, so it must be one that training wrote.
    if not (out / REPORT).is_file():
        raise OutFolderError(f"{out} was not written by postil train and is left alone; name another folder")


@contextmanager
def workplace(out: Path, size: int) -> Iterator[Path]:
    """A folder beside ``out`` with room for ``size`` bytes of weights, gone after the block. Raises OutFolderError.

    Folders above ``out`` are made; where nothing comes of the work, they are gone too. Where an error, the process
    or the user ends the work, whole checkpoints stay in the folder, and the next work for ``out`` finds them there.
    """
    missing = [folder for folder in out.parents if not folder.exists()]
    folder = out.with_name(f".postil-{hashlib.sha256(out.name.encode(errors='replace')).hexdigest()[:12]}")
    try:
        with _claimed(out, folder):
            free = shutil.disk_usage(folder).free
            if free < size + _MORE_BYTES:
                raise OutFolderError(
                    f"the disk of {out} has {free >> 20} MiB left, and the adapter needs {(size + _MORE_BYTES) >> 20};"
                    " make room or name a folder on another disk"
                )
            yield folder
    finally:
        for folder_above in missing:
            with suppress(OSError):  # The result is in it, or somebody else's.
                folder_above.rmdir()


@contextmanager
def _claimed(out: Path, folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process alone, with nothing in it but checkpoints of earlier work."""
    lock, checkpoint = _locked(out, folder), None
    try:
        _clear(folder, {_LOCK, RUN, TRAINER})
        yield
    except BaseException:  # No memory, a full disk, Ctrl-C: the same work may be begun again.
        checkpoint = newest(folder)
        raise
    finally:
        if checkpoint is None:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(out: Path, folder: Path) -> int:
    """Make ``folder`` and return its lock. Raises OutFolderError where the disk or another process is against it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.mkdir(exist_ok=True)  # Its name may be none that this disk takes.
        if not any(out.iterdir()):
            out.rmdir()
        folder.mkdir(0o700, exist_ok=True)
        _check_own(folder)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        why = "a file is in the way" if in_the_way else error.strerror
        raise OutFolderError(f"{out} cannot be made ({why}); name another folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise OutFolderError(f"another process trains for {out}; wait for it or name another folder") from error
    return lock


def _check_own(folder: Path) -> None:
    """Refuse a folder that others may have planted: what is in it is loaded, or deleted. Raises OutFolderError."""
    found = folder.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not own or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OutFolderError(
            f"{folder} is not a folder of this user that nobody else can write to; delete it, or name another place"
        )


def _clear(folder: Path, kept: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def write(model: PeftModel, report: TrainReport, out: Path, scratch: Path, half: bool) -> TrainReport:
    """Write adapter and report to ``out``, replacing an earlier result; return the report with its size.

    Where that fails, they are saved among the temporary files. Raises OutFolderError, which says where.
    """
    try:
        made = _saved(model, report, scratch / "adapter", half)
        with suppress(FileNotFoundError):
            out.rename(scratch / "former")
        (scratch / "adapter").rename(out)
        return made
    except (OSError, SafetensorError) as error:
        saved = _rescued(lambda folder: _saved(model, report, folder, half))
        raise OutFolderError(f"{out} cannot be written ({_reason(error)}); {saved}") from error


def _rescued(save: Callable[[Path], object]) -> str:
    """Save among the temporary files; return where, in a sentence."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="postil-train-")) / "adapter"
        save(folder)
    except (OSError, SafetensorError) as error:
        return f"nor can the adapter be saved among the temporary files ({_reason(error)}), so it is lost"
    return f"the adapter is saved in {folder}; move it from there"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _saved(model: PeftModel, report: TrainReport, folder: Path, half: bool) -> TrainReport:
    if half:
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.data = parameter.data.half()
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    _tidy(folder / "adapter_config.json")
    size = (folder / "adapter_model.safetensors").stat().st_size
    report = report.model_copy(update={"bytes": size})
    (folder / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return report


def _tidy(config: Path) -> None:
    """Sort what peft stores as a set, so that equal training gives equal bytes."""
    values = json.loads(config.read_text(encoding="utf-8"))
    values["target_modules"] = sorted(values["target_modules"])
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
