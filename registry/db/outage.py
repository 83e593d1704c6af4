"""Turns errors of a database or disk that is unavailable into one sentence with the remedy."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import exc

from postil.registry.errors import UnavailableError

log = logging.getLogger(__name__)
# A read-only PostgreSQL says "internal", SQLite and one that is gone "operational".
LOST = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
_WRITES_IN_SNAPSHOT = ("SQLITE_READONLY", "25006")
_REASONS = (
    ("is locked", "is locked by somebody else", "end what holds it"),
    ("unable to open", "cannot be opened", "see that its folder is there and who may write to it"),
    ("is full", "has no room left on its disk", "free some"),
    ("no space left", "has no room left on its disk", "free some"),
    ("disk i/o error", "cannot write to its disk", "see whether that is full or broken"),
    ("readonly", "may only be read", "see who mounted it so, or owns its file"),
    ("read-only", "may only be read", "see who mounted it so, or which server is the primary one"),
)
# SQLite's names and PostgreSQL's states of files that are not as a database writes them.
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002")
_DISK = {
    errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the largest size that a file may have here is reached", errno.EROFS: "the disk may only be read",
    errno.EACCES: "the gateway may not write there", errno.EPERM: "the gateway may not write there",
    errno.EIO: "the disk is broken",
}  # fmt: skip


# SQLite has one name for a database that is away and for one that is not as it should be.
_OURS = ("no such ", "already exists", "has no column", "syntax error", "duplicate column")


def is_write_in_snapshot(error: Exception) -> bool:
    """Whether a statement tried to write where only reading is allowed: a fault of ours, and no outage.

    SQLite says of a disk that may only be read READONLY_DIRECTORY and the like.
    """
    return _name(error) in _WRITES_IN_SNAPSHOT


def is_damaged(error: Exception) -> bool:
    """Whether the files are not those of a database, or not whole."""
    return _name(error).startswith(_DAMAGED)


def damaged(error: Exception) -> UnavailableError:
    """The error to raise for damaged files."""
    log.error("the registry's database is damaged: %s", _name(error))
    return UnavailableError(
        "the registry's database is damaged, or no database: restore a backup of it, or name another with"
        " POSTIL_DATABASE_URL or POSTIL_HOME"
    )


@contextmanager
def while_opening() -> Iterator[None]:
    """Wraps the first look at a database, and its migrations. Raises UnavailableError if it cannot be used."""
    try:
        yield
    except CommandError as error:  # Alembic knows no such revision.
        raise UnavailableError(
            "the registry's database is of a newer version of postil: install that version again, or restore a backup"
            " from before"
        ) from error
    except exc.DBAPIError as error:
        if is_damaged(error):
            raise damaged(error) from error
        if isinstance(error, LOST) and is_outage(error):
            raise unavailable(error, committing=False) from error
        log.error("the registry's database could not be opened: %s", " ".join(str(error.orig).split()))
        raise UnavailableError(
            "the registry's database has other tables than postil makes, or takes no option of its URL: name another"
            " with POSTIL_DATABASE_URL, or restore a backup"
        ) from error


def _name(error: Exception) -> str:
    said = error.orig if isinstance(error, exc.DBAPIError) else error
    return getattr(said, "sqlite_errorname", None) or getattr(said, "sqlstate", None) or ""


def is_outage(error: Exception) -> bool:
    """Whether a driver's error means that the database is unavailable, and not that the statement was wrong."""
    said = str(error.orig if isinstance(error, exc.DBAPIError) else error)
    return not any(sign in said for sign in _OURS)


def unavailable(error: Exception, *, committing: bool) -> UnavailableError:
    """The error to raise; the driver's own text goes to the log only, as it may name machines and users.

    If the connection broke during the commit, only the database knows whether it was done.
    """
    said = " ".join(str(error.orig if isinstance(error, exc.DBAPIError) else error).split())
    log.warning("the registry's database failed: %s", said)
    broken = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    what, remedy = next(
        ((what, remedy) for sign, what, remedy in _REASONS if sign in said.lower()),
        ("does not answer", "see that it runs"),
    )
    changed = "look whether this was done before you try" if committing and broken else "nothing was changed; try"
    return UnavailableError(f"the registry's database {what}: {remedy}; {changed} again then")


@contextmanager
def after_a_change() -> Iterator[None]:
    """Wraps reads after a change: if the database is lost then, the error says that the change is done."""
    try:
        yield
    except UnavailableError as error:
        what, _, _ = str(error).partition(";")
        raise UnavailableError(f"it was done; but then {what}. It is in force when that answers") from error


def disk_trouble(error: OSError) -> str | None:
    """The sentence for a full or read-only disk, or None for another error."""
    what = _DISK.get(error.errno or 0)
    return what and f"nothing was kept, because {what}; see to the disk of the gateway and try again"
