"""How much a domain may keep: releases, bytes of artifacts, reviews; where it has no figures, the defaults hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from sqlalchemy import func
from sqlmodel import Session, select

from postil.registry.artifacts.store import ArtifactStore
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Domain, Release
from postil.registry.errors import LimitError, QuotaError
from postil.registry.releases.freeze import existing_domain
from postil.registry.releases.history import SET_QUOTAS, collected_by
from postil.registry.releases.state import adapter_rows

LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DomainQuotas:
    """A domain's own figures; None where the gateway's settings hold. Raises LimitError for invalid values.

    ``review_days`` is how long reviews are kept at most; a policy may ask for less.
    """

    releases: int | None = None
    artifact_mib: int | None = None
    review_days: int | None = None
    open_reviews: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 1 <= value <= LARGEST:
                raise LimitError(f"{name} cannot be {value}; give a whole number from 1 to {LARGEST}")

    def named(self) -> dict[str, int]:
        """Return the figures that are set, as they are stored."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def over(self, defaults: DomainQuotas) -> DomainQuotas:
        """Return these figures, completed by the defaults."""
        return DomainQuotas(**{**asdict(defaults), **self.named()})


NO_QUOTAS = DomainQuotas()


def of_domain(domain: Domain | None) -> DomainQuotas:
    """Read stored figures; those of a later version are ignored."""
    known = {field.name for field in fields(DomainQuotas)}
    return DomainQuotas(**{name: value for name, value in (domain.quotas if domain else {}).items() if name in known})


def quotas_of(database: Database, name: str) -> DomainQuotas:
    """Return a domain's own figures. Raises NotFoundError."""
    with database.read() as session:
        return of_domain(existing_domain(session, name))


def set_quotas(database: Database, name: str, quotas: DomainQuotas, *, reason: str, actor: str) -> None:
    """Replace a domain's figures. Raises NotFoundError."""
    with database.write() as session:
        store.lock_for_writing(session)
        domain = existing_domain(session, name)
        before, domain.quotas = domain.quotas, quotas.named()
        if before != domain.quotas:
            session.add(domain)
            details = {"before": before, "after": domain.quotas}
            store.record(session, actor=actor, action=SET_QUOTAS, subject=name, reason=reason, details=details)


def check_room(
    database: Database, artifacts: ArtifactStore, candidate: Release, added_bytes: int, defaults: DomainQuotas
) -> None:
    """Check that a domain may keep a release more, whose artifact has so many bytes. Raises QuotaError.

    Two publishes at the same time may both pass: a domain can exceed its figures by what is on its way.
    """
    domain = candidate.domain
    with database.read() as session:
        quotas = of_domain(session.get(Domain, domain)).over(defaults)
        known = store.same_release(session, candidate) is not None
        count, named = _kept(session, domain)
    if not known and quotas.releases is not None and count >= quotas.releases:
        raise QuotaError(
            f"domain {domain} has {count} releases, as many as it may; an admin can raise that with"
            f" `postil domains quota {domain} --releases {2 * count}`"
        )
    if quotas.artifact_mib is not None and candidate.artifact not in named:
        sizes = artifacts.sizes()
        used = sum(sizes.get(artifact, 0) for artifact in named) + added_bytes
        if used > quotas.artifact_mib << 20:
            raise QuotaError(
                f"the adapters of domain {domain} would take {-(-used >> 20)} MiB, and it may have"
                f" {quotas.artifact_mib}; delete what nobody uses with `postil gc`, or have an admin raise that with"
                f" `postil domains quota {domain} --artifact-mib {2 * quotas.artifact_mib}`"
            )


def _kept(session: Session, domain: str) -> tuple[int, set[str]]:
    """How many releases a domain has, and the artifacts of those whose files are there."""
    count = session.exec(select(func.count()).select_from(Release).where(Release.domain == domain)).one()
    named = set[str]()
    own = [name for name in store.adapters(session) if name.domain == domain]
    for rows in adapter_rows(session, own):
        gone = collected_by(rows.moves)
        named |= {release.artifact for release in rows.releases if release.number not in gone}
    return count, named
