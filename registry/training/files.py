"""Writes the result to a temporary folder and renames it, so that nobody sees an incomplete adapter."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from postil.registry.defaults import REPORT
from postil.registry.training.errors import OutFolderError
from postil.registry.training.report import TrainReport

if TYPE_CHECKING:
    from peft import PeftModel


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse a folder that is in use, unless it is an earlier result to overwrite. Raises OutFolderError."""
    if not out.exists():
        return
    if not overwrite:
        raise OutFolderError(f"{out} exists; name another folder or pass --overwrite")
    # Overwriting deletes the folder, so it must be one that training wrote.
    if not (out / REPORT).is_file():
        raise OutFolderError(f"{out} was not written by postil train and is left alone; name another folder")


def write(model: PeftModel, report: TrainReport, out: Path, half: bool) -> TrainReport:
    """Write adapter and report to ``out``, replacing an earlier result; return the report with its size."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        folder = Path(scratch) / "adapter"
        _save(model, folder, half)
        size = (folder / "adapter_model.safetensors").stat().st_size
        report = report.model_copy(update={"bytes": size})
        (folder / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        with suppress(FileNotFoundError):
            out.rename(Path(scratch) / "former")
        folder.rename(out)
    return report


def _save(model: PeftModel, folder: Path, half: bool) -> None:
    if half:
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.data = parameter.data.half()
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    _tidy(folder / "adapter_config.json")


def _tidy(config: Path) -> None:
    """Sort what peft stores as a set, so that equal training gives equal bytes."""
    values = json.loads(config.read_text(encoding="utf-8"))
    values["target_modules"] = sorted(values["target_modules"])
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
