"""What a policy may name of other domains; the gateway checks the same again for every request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlmodel import Session

from postil.plugins import FallbackRule
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Release
from postil.registry.errors import PolicyError, SignatureError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import FallbackUse
from postil.registry.signing.requirements import check_borrowed

Fallbacks = Sequence[tuple[FallbackUse, FallbackRule]]


def check_walls(database: Database, domain: str, fallbacks: Fallbacks, scope: Collection[str] | None) -> None:
    """Check the releases of other domains that a policy of ``domain`` falls back on.

    ``scope`` are the domains that its publisher works on; None stands for all. Raises PolicyError.
    """
    for use, named in _named_elsewhere(domain, fallbacks):
        other = named.partition("/")[0]
        # Before anything of the other domain is read: what is there is not told to those who may not see it.
        if scope is not None and other not in scope:
            raise PolicyError(
                f"fallback `{use}` names a release of {other}, and this key is for {', '.join(sorted(scope))} only;"
                " ask an admin to publish this policy"
            )
        with database.read() as session:
            release = _release(session, named)
            try:
                if release is not None:
                    check_borrowed(session, domain, release.artifact)
            except SignatureError as error:
                raise PolicyError(f"fallback `{use}` names {named}: {error}") from error


def _named_elsewhere(domain: str, fallbacks: Fallbacks) -> Iterator[tuple[str, str]]:
    """The rule's name and the release, for all that name one of another domain."""
    for use, rule in fallbacks:
        named = getattr(rule.config, "release", None)
        if isinstance(named, str) and "/" in named and named.partition("/")[0] != domain:
            yield use.name, named


def _release(session: Session, named: str) -> Release | None:
    """The release ``domain/adapter@number``, or the live one of ``domain/adapter``."""
    text, _, number = named.partition("@")
    domain, _, adapter = text.partition("/")
    name = AdapterName(domain, adapter)
    if number:
        return store.release(session, name, int(number))
    stable = store.channel(session, name)
    return store.release(session, name, stable.number) if stable is not None else None
