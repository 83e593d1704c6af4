"""Errors of training, in addition to DatasetError.

RegistryError
├── DatasetError          (registry.errors) data that cannot be learned from
├── TuneExtraMissingError torch, transformers, peft or accelerate is not installed
├── MethodError           a method or a way of tuning that postil does not train by
├── ShapeError            the base has no such modules or layers
├── RoundError            a round of improvement that cannot go on, or has nothing to learn
└── OutFolderError        the folder for the result cannot be used
    └── FolderBusyError   another process works in it
"""

from __future__ import annotations

from postil.registry.errors import RegistryError


class TuneExtraMissingError(RegistryError):
    """The libraries for training are not installed."""


class MethodError(RegistryError):
    """A method or a way of tuning that there is not."""


class ShapeError(RegistryError):
    """The base has no modules or layers as the options name them."""


class RoundError(RegistryError):
    """A round of improvement that cannot go on: its folder, its files, or nothing to learn."""


class OutFolderError(RegistryError):
    """The output folder is in use, or the result cannot be written there."""


class FolderBusyError(OutFolderError):
    """Another process works in the output folder."""
