"""The processes in which plugins and long checks run, and what these may take."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class ProcessSettings(BaseSettings):
    """The processes in which plugins and long checks run, and what these may take."""

    check_processes: int = Field(
        default=4,
        ge=1,
        le=64,
        description="How many processes run built-in checks of long texts; a domain gets half of them at most.",
    )
    check_memory_mib: int = Field(
        default=512, ge=128, description="Memory of one of those processes, in MiB; beyond it a check did not run."
    )
    check_seconds: float = Field(
        default=10.0, gt=0, description="How long one such check may take, whatever its policy's `deadline_ms`."
    )
    plugin_sandbox: bool = Field(
        default=True,
        description="Where Linux has Landlock, let plugins read nothing of the gateway's, and write to few folders.",
    )
    plugin_memory_mib: int = Field(
        default=4096, ge=64, description="Memory of the process of one domain's installed plugins, in MiB."
    )
