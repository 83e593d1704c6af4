"""Turns what may go wrong in any command into one sentence and an exit status."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.output import print_error
from postil.gateway.errors import SettingsError
from postil.plugins.errors import PluginError
from postil.registry.errors import RegistryError

_EXPECTED = (CommandError, RegistryError, SettingsError, PluginError)
# Set, a fault of postil's own is shown with its traceback.
TRACEBACK = "POSTIL_TRACEBACK"
_INTERRUPTED = 130


def exit_status(program: Callable[[], object]) -> int:
    """Run a program, print what went wrong, if anything did, and return its exit status."""
    _accept_any_text()
    try:
        return _run(program)
    except _EXPECTED as error:
        return _failed(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # Who read the output has enough of it.
        _drop_output()
        return 1
    except OSError as error:
        _drop_output()
        return _failed(_said(error))
    except UnicodeError:
        return _failed("a text here is not UTF-8, or the terminal cannot show it; set LC_ALL=C.UTF-8")
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _failed(_fault(error))


def _run(program: Callable[[], object]) -> int:
    try:
        program()
    except SystemExit as end:
        sys.stdout.flush()
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        return _failed(end.code)
    sys.stdout.flush()  # Here, and not when Python ends, where nobody could say what is wrong.
    return 0


def _said(error: OSError) -> str:
    what = error.strerror or type(error).__name__
    if error.filename is None:
        return f"the output cannot be written ({what}); what was asked may be done: look, and write elsewhere"
    return f"{os.fsdecode(error.filename)} cannot be used ({what}); check the path and who may use it"


def _fault(error: Exception) -> str:
    """A sentence without the error's own text, which may hold a secret."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = "/".join(Path(last.filename).parts[-2:])
    return (
        f"this is a fault in postil ({type(error).__name__} at {place}:{last.lineno}); report it, with what"
        f" {TRACEBACK}=1 shows if that is no secret"
    )


def _failed(error: object) -> int:
    with suppress(OSError):  # Where not even errors can be written, the status says it.
        print_error(error)
    return 1


def _accept_any_text() -> None:
    """Show as an escape what a terminal's encoding lacks, such as a label's letters in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let what could not be written go: Python would try it again as it ends."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
