"""What fine-tuning jobs may take."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from postil.registry.defaults import HELD_OUT_LIMIT


class TrainingSettings(BaseSettings):
    """What fine-tuning jobs may take."""

    training_jobs: bool = Field(
        default=True,
        description="Train the jobs of `/v1/fine_tuning/jobs` here; otherwise they wait for another gateway.",
    )
    training_folder: Path | None = Field(
        default=None,
        description="Training files and jobs, shared by gateways on one database; unset, in `POSTIL_HOME`.",
    )
    training_file_mib: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Size of one training file, in MiB; its check takes some nine times as much memory for a while.",
    )
    training_files_mib_per_domain: int = Field(
        default=256, ge=1, description="Size of all training files of one domain, in MiB; one more is refused."
    )
    training_jobs_per_domain: int = Field(
        default=16, ge=1, description="Fine-tuning jobs of one domain that have not ended; one more is refused."
    )
    training_memory_mib: int = Field(
        default=8192, ge=256, description="Memory that the process of a fine-tuning job may take, in MiB."
    )
    training_device: Literal["auto", "cpu", "cuda"] = Field(
        default="cpu", description="Where fine-tuning jobs run; vLLM usually takes all of a GPU."
    )
    held_out_limit: int = Field(
        default=HELD_OUT_LIMIT,
        ge=1,
        description="Adapters of a domain that may be measured with one held-out file before it is called worn out.",
    )
