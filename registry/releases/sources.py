"""What publishers of a domain may fetch from a hub with the gateway's own token."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postil.registry.artifacts.hub.ref import HubRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Domain
from postil.registry.errors import ConflictError, NameInvalidError
from postil.registry.releases.freeze import existing_domain

SOURCES = "domain-sources"
MOST = 64
_PATTERN = re.compile(r"hf://[\w.-]{1,96}/(?:[\w.-]{1,96}|\*)", re.ASCII)


def set_sources(database: Database, name: str, patterns: Sequence[str], *, reason: str, actor: str) -> Domain:
    """Allow these sources and no others: ``hf://org/name``, or ``hf://org/*`` for all of an organization.

    Raises NotFoundError, NameInvalidError, or ConflictError where they are these already.
    """
    wanted = sorted({_pattern(text) for text in patterns})
    if len(wanted) > MOST:
        raise NameInvalidError(f"{len(wanted)} sources are too many; a domain has {MOST} at most")
    with database.write() as session:
        store.lock_for_writing(session)
        domain = existing_domain(session, name)
        if domain.sources == wanted:
            raise ConflictError(f"{name} has these sources already; see `postil domains list`")
        before, domain.sources = domain.sources, wanted
        session.add(domain)
        details = {"sources": wanted, "before": before}
        store.record(session, actor=actor, action=SOURCES, subject=name, reason=reason, details=details)
        return domain


def is_allowed(database: Database, name: str, ref: HubRef) -> bool:
    """Whether a domain's publishers may fetch a repository with the gateway's token."""
    with database.read() as session:
        domain = session.get(Domain, name)
        known = domain.sources if domain is not None else []
    organization = ref.repo.partition("/")[0]
    return f"hf://{ref.repo}" in known or f"hf://{organization}/*" in known


def _pattern(text: str) -> str:
    if not _PATTERN.fullmatch(text) or ".." in text:
        raise NameInvalidError(f"{text[:200]!r} is not a source; write hf://org/name, or hf://org/* for all of an org")
    return text
