"""In whose name the log records what is done on the console."""

from __future__ import annotations

from postil.gateway.api.admin.auth import Connection
from postil.gateway.tenancy.directory import Caller


def person(request: Connection) -> str:
    """Return the key's owner; of the key file, which several may share, the name that was given at the login."""
    caller: Caller = request.scope["user"]
    stated = str(getattr(request.scope.get("session"), "person", ""))
    return stated if caller.root and stated else caller.owner
