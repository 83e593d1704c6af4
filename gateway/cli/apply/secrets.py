"""What a gateway shows once: written at once into a new file that only its owner may read, or kept for the output."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from postil.gateway.cli.api_client import CommandError


class NewSecrets:
    """The secrets of one run. With a ``path`` each is in that file before the next change is made.

    The file is made on entering, before anything is changed, and removed on leaving if nothing is in it. Raises
    CommandError if it cannot be made.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None
        self._shown: list[dict[str, str]] = []

    def __enter__(self) -> NewSecrets:
        """Make the file."""
        if self._path is not None:
            try:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError as error:
                told = f"{self._path} exists already; name a new file, so that no secret is overwritten"
                raise CommandError(told) from error
            except OSError as error:
                raise CommandError(f"{self._path} cannot be written ({error.strerror}); name another file") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None and self._path is not None:
            os.close(self._file)
            if not self._path.stat().st_size:
                self._path.unlink()

    def add(self, what: str, secret: str) -> None:
        """Keep a secret; where the file takes no more, it is shown with the output."""
        one = {"what": what, "secret": secret}
        if self._file is not None:
            with suppress(OSError):
                os.write(self._file, f"{json.dumps(one)}\n".encode())
                os.fsync(self._file)
                one = {"what": what, "file": str(self._path)}
        self._shown.append(one)

    @property
    def shown(self) -> list[dict[str, str]]:
        """What to tell: each secret, or the file that it is in."""
        return self._shown
