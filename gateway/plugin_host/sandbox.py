"""What the processes of plugins must not read: all that the gateway keeps, and every secret that it was given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from postil.gateway.errors import SettingsError
from postil.gateway.settings import Settings
from postil.gateway.settings.files import secret_files
from postil.plugins.landlock import Sandbox


def sandbox_of(settings: Settings) -> Sandbox | None:
    """The sandbox that settings ask for. Raises SettingsError where plugins would be imported from what it denies."""
    if not settings.plugin_sandbox:
        return None
    kept = (settings.home, settings.artifact_folder, settings.training)
    _refuse_modules_in(kept, settings.plugins_dir)
    return Sandbox(
        tuple(str(path.absolute()) for path in (*kept, *secret_files(settings, os.environ))),
        str((settings.home / "tmp").absolute()),
        (str(settings.plugins_dir.absolute()),) if settings.plugins_dir else (),
    )


def _refuse_modules_in(kept: tuple[Path, ...], plugins: Path | None) -> None:
    """Raise SettingsError where a folder is both denied and one of modules: a plugin could not be read, or read all."""
    denied = {path.resolve() for path in kept}
    named = [("POSTIL_PLUGINS_DIR", plugins)] if plugins else []
    for name, path in (*named, *(("Python's path", Path(entry)) for entry in sys.path if entry)):
        if path.resolve() in denied:
            raise SettingsError(
                f"{name} names {path}, where the gateway keeps its data, which no plugin may read; give plugins a"
                " folder of their own, or set POSTIL_HOME to another"
            )
