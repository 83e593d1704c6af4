"""Errors of training, in addition to DatasetError.

RegistryError
├── DatasetError          (registry.errors) data that cannot be learned from
├── TuneExtraMissingError torch, transformers, peft or accelerate is not installed
└── OutFolderError        the folder for the result cannot be used
"""

from __future__ import annotations

from postil.registry.errors import RegistryError


class TuneExtraMissingError(RegistryError):
    """The libraries for training are not installed."""


class OutFolderError(RegistryError):
    """The output folder is in use or is not a folder."""
