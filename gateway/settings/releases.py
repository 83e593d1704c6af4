"""What is done with releases, and the plugins around them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from postil.gateway.settings.values import PluginUse
from postil.registry.defaults import KEEP


class ReleaseSettings(BaseSettings):
    """What is done with releases, and the plugins around them."""

    gc_keep: int = Field(default=KEEP, ge=0, description="How many of an adapter's newest releases `postil gc` keeps.")
    plugins_dir: Path | None = Field(
        default=None, description="A folder of single-file plugins (`*.py`), beside the installed ones."
    )
    router: PluginUse | None = Field(
        default=None, description="The router plugin, for requests whose `model` is `auto` or missing."
    )
    gates: tuple[PluginUse, ...] = Field(default=(), description="The gate plugins that a promotion has to pass.")
    listeners: tuple[PluginUse, ...] = Field(default=(), description="The listener plugins that hear of every event.")
    auto_rollback: bool = Field(
        default=True, description="Roll a release back that is worse than its predecessor; `false` only logs it."
    )
    auto_rollback_alpha: float = Field(
        default=0.01, gt=0, lt=1, description="Probability of a false alarm in one comparison of two releases."
    )
    canary_step_requests: int = Field(
        default=200,
        ge=1,
        description="How many requests to a canary have to be judged at one step before the gateway makes the next.",
    )
    hub_timeout_seconds: float = Field(
        default=600.0, gt=0, description="How long a download from a model hub may take."
    )
