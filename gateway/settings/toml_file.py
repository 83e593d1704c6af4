"""Reads ``postil.toml``, as editors on any system write it."""

from __future__ import annotations

import codecs
import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic_settings import TomlConfigSettingsSource

from postil.gateway.errors import SettingsError


class TomlFile(TomlConfigSettingsSource):
    """The settings in ``postil.toml``, in UTF-8 with or without a byte-order mark."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        """Read the file. Raises SettingsError, which quotes nothing of it: it may hold secrets."""
        try:
            return tomllib.loads(file_path.read_bytes().removeprefix(codecs.BOM_UTF8).decode())
        except OSError as error:
            raise SettingsError(f"{file_path} cannot be read ({error.strerror}); see who may read it") from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{file_path} is not UTF-8; save it as UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            place = str(error).rpartition("(")[2].rstrip(")")
            raise SettingsError(f"{file_path} is not TOML ({place}); write each setting as name = value") from error
