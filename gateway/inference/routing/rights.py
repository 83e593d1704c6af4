"""What a tenant's rights let it ask."""

from __future__ import annotations

from postil.gateway.errors import ForbiddenError
from postil.gateway.tenancy.directory import Caller
from postil.registry.accounts.rights import Right


def check_base(caller: Caller) -> None:
    """Raises ForbiddenError where the caller may not ask the base, which no policy guards."""
    if not caller.has(Right.BASE):
        raise ForbiddenError("this key may not use `base`; ask for one of its domains, or for the right", param="model")
