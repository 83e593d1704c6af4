"""Turns errors of a database or disk that is unavailable into one sentence with the remedy."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from postil.registry.errors import UnavailableError

log = logging.getLogger(__name__)
# A read-only PostgreSQL says "internal", SQLite and one that is gone "operational".
LOST = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
_WRITES_IN_SNAPSHOT = ("SQLITE_READONLY", "25006")
_REASONS = (
    ("is locked", "is locked by somebody else", "end what holds it"),
    ("is full", "has no room left on its disk", "free some"),
    ("no space left", "has no room left on its disk", "free some"),
    ("disk i/o error", "cannot write to its disk", "see whether that is full or broken"),
    ("readonly", "may only be read", "see who mounted it so, or owns its file"),
    ("read-only", "may only be read", "see who mounted it so, or which server is the primary one"),
)
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
    said = error.orig if isinstance(error, exc.DBAPIError) else error
    return getattr(said, "sqlite_errorname", getattr(said, "sqlstate", None)) in _WRITES_IN_SNAPSHOT


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
