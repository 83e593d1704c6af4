"""Which release a policy's fallback may ask, within the walls of domains."""

from __future__ import annotations

from dataclasses import replace

from postil.gateway.inference.routing.catalog import BASE, Catalog
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.tenancy.directory import Caller
from postil.plugins import AskAgain


def other_release(catalog: Catalog, first: LoadedRelease, caller: Caller, again: AskAgain) -> LoadedRelease | None:
    """The release that is asked in place of ``first``, itself included; None for the base, and where there is none.

    A release of another domain is there only for those who may ask that domain, and is loaded only if the first
    domain, too, accepts its weights.
    """
    if again.release is None:
        return first
    if again.release == BASE:
        return None
    if again.release == "previous":
        return catalog.previous(first)
    found = catalog.named(again.release)
    if found is None or found.ref.domain == first.ref.domain:
        return found
    return replace(found, fallback_for=first.ref.domain) if caller.may_ask(found.ref.domain) else None
