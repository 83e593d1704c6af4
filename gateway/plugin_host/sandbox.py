"""What the processes of plugins must not read: all that the gateway keeps, and every secret that it was given."""

from __future__ import annotations

import os
from pathlib import Path

from postil.gateway.settings import Settings
from postil.gateway.settings.secret_names import SECRETS, file_variable
from postil.plugins.landlock import Sandbox


def sandbox_of(settings: Settings) -> Sandbox | None:
    """The sandbox that settings ask for."""
    if not settings.plugin_sandbox:
        return None
    secrets = [os.environ.get(file_variable(name)) for name in SECRETS]
    hub = Path(os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface"))
    denied = [settings.home, settings.artifact_folder, Path("postil.toml"), hub / "token", hub / "stored_tokens"]
    return Sandbox(
        tuple(str(path.absolute()) for path in (*denied, *(Path(secret) for secret in secrets if secret))),
        str((settings.home / "tmp").absolute()),
        (str(settings.plugins_dir.absolute()),) if settings.plugins_dir else (),
    )
