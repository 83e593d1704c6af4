"""Which keys a domain accepts, the signatures that were published, and whether an artifact has one of those.

A domain without a key takes everything. One with keys takes and loads only what has a signature made with one of them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from sqlalchemy import tuple_, union
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.outage import after_a_change
from postil.registry.db.tables import Channel, Domain, Pin, Release, Signature, SigningKey
from postil.registry.defaults import SIGNATURE
from postil.registry.errors import ConflictError, SignatureError, UnavailableError
from postil.registry.names import parse_domain
from postil.registry.signing.bundles import MAX_SIGNATURE_BYTES, PublicKey, read_public_key, signed_artifact
from postil.registry.text import kept_line

REQUIRE, SIGN = "signature-require", "sign"
MAX_KEYS = 8
_MAX_SIGNATURES = 16
_SIGN = "sign it with `postil publish FOLDER --sign KEY`"


@dataclass(frozen=True, slots=True)
class Requirement:
    """The keys that a domain accepts (none: no signature is needed), and what it serves without such a signature.

    ``row`` is the domain itself, once it has an adapter.
    """

    domain: str
    keys: Sequence[SigningKey]
    unsigned: Sequence[ReleaseRef] = ()
    row: Domain | None = None


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """The signature of a publish (None: it has none), verified with these keys of the domain."""

    bundle: str | None
    fingerprints: frozenset[str]


def require(database: Database, domain: str, pems: Sequence[str], *, reason: str, actor: str) -> Requirement:
    """Let a domain accept these keys and no others; without any, it needs no signatures any more.

    Raises SignatureError, or ConflictError where the keys are these already.
    """
    parse_domain(domain)
    kept_line(reason, "reason")
    if len(pems) > MAX_KEYS:
        raise SignatureError(f"{len(pems)} keys are too many; a domain accepts {MAX_KEYS} at most")
    wanted = {key.fingerprint: key for key in map(read_public_key, pems)}
    with database.write() as session:
        store.lock_for_writing(session)
        before = {key.fingerprint: key for key in _keys(session, domain)}
        if set(before) == set(wanted):
            raise ConflictError(f"{domain} accepts these keys already; see `postil domains list`")
        for gone in set(before) - set(wanted):
            session.delete(before[gone])
        for new in sorted(set(wanted) - set(before)):
            session.add(SigningKey(domain=domain, fingerprint=new, pem=wanted[new].pem))
        details = {"keys": sorted(wanted), "before": sorted(before)}
        store.record(session, actor=actor, action=REQUIRE, subject=domain, reason=reason, details=details)
    with after_a_change():
        return requirement(database, domain)


def requirement(database: Database, domain: str) -> Requirement:
    """What a domain requires, and which of the releases that it serves do not meet it."""
    with database.read() as session:
        known, row = _known(session, domain), session.get(Domain, domain)
    return _requirement(known, domain, row)


def requirements(database: Database) -> list[Requirement]:
    """What every domain requires that has an adapter or a key."""
    with database.read() as session:
        known = _known(session)
        rows = {row.name: row for row in store.domains(session)}
    names = rows.keys() | {key.domain for key in known.keys}
    return [_requirement(known, name, rows.get(name)) for name in sorted(names)]


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows that say what one domain, or every domain, requires and serves."""

    keys: Sequence[SigningKey]
    served: Sequence[Release]
    signatures: Sequence[Signature]


def _known(session: Session, domain: str | None = None) -> _Known:
    """One statement a table; signatures only of what is served in the domains that have keys."""
    keys, served = _keys(session, domain), _served(session, domain)
    domains = {key.domain for key in keys}
    artifacts = {row.artifact for row in served if row.domain in domains}
    return _Known(keys, served, _signatures(session, domains, artifacts) if artifacts else [])


def _requirement(known: _Known, domain: str, row: Domain | None) -> Requirement:
    keys = [key for key in known.keys if key.domain == domain]
    served = [row for row in known.served if row.domain == domain]
    bundles = defaultdict[str, list[str]](list)
    for signature in [row for row in known.signatures if row.domain == domain]:
        bundles[signature.artifact].append(signature.bundle)
    needed = {row.artifact for row in served} if keys else set[str]()
    lacking = {artifact for artifact in needed if _accepted(bundles[artifact], keys, artifact) is None}
    unsigned = [ReleaseRef(row.domain, row.adapter, row.number) for row in served if row.artifact in lacking]
    return Requirement(domain, keys, unsigned, row)


def take_signature(folder: Path) -> str | None:
    """Take ``model.sig`` out of a folder of ``artifacts.incoming()``, if it is there. Raises SignatureError."""
    path = folder / SIGNATURE
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        content = file.read(MAX_SIGNATURE_BYTES + 1)
    path.unlink()
    try:
        if len(content) > MAX_SIGNATURE_BYTES or b"\0" in content:
            raise ValueError("no signature is like that")
        return content.decode()
    except ValueError as error:
        raise SignatureError(f"{SIGNATURE} is no signature; remove it, or {_SIGN}") from error


def verify_required(database: Database, domain: str, artifact: str, bundle: str | None) -> VerifiedSignature:
    """Verify a publish's signature, or one published before, if the domain requires one.

    Raises SignatureError.
    """
    with database.read() as session:
        keys = _keys(session, domain)
        known = _bundles(session, domain, artifact)
    _check(domain, artifact, known if bundle is None else [bundle], keys)
    return VerifiedSignature(bundle, frozenset(key.fingerprint for key in keys))


def check_unsigned(database: Database, domain: str) -> None:
    """Raise SignatureError if a domain takes signed adapters only: one that is made here has no signature."""
    with database.read() as session:
        if _keys(session, domain):
            raise SignatureError(f"{domain} takes signed adapters only; train this one elsewhere, sign and publish it")


def check_borrowed(session: Session, domain: str, artifact: str) -> None:
    """Raise SignatureError unless a domain accepts an artifact, by a signature published in it or in another domain.

    A signature is over the files, whoever published it: one by a key that the domain accepts is as good from anywhere.
    """
    keys = _keys(session, domain)
    if not keys or _accepted(_bundles(session, None, artifact), keys, artifact) is not None:
        return
    _check(domain, artifact, _bundles(session, domain, artifact), keys)


def store_signature(session: Session, release: Release, vetted: VerifiedSignature, *, actor: str) -> None:
    """Keep a signature with the release it was published with; the caller holds the writers' lock.

    Raises ConflictError if the domain's keys have changed since it was verified.
    """
    if vetted.fingerprints != {key.fingerprint for key in _keys(session, release.domain)}:
        raise ConflictError(f"the keys that {release.domain} accepts were changed meanwhile; publish again")
    if vetted.bundle is None:
        return
    digest = hashlib.sha256(vetted.bundle.encode()).hexdigest()
    known = _signatures(session, [release.domain], [release.artifact])
    if any(row.digest == digest for row in known):
        return
    if len(known) >= _MAX_SIGNATURES:
        raise SignatureError(f"this adapter has {_MAX_SIGNATURES} signatures already; publish it without {SIGNATURE}")
    session.add(Signature(domain=release.domain, artifact=release.artifact, digest=digest, bundle=vetted.bundle))
    store.record(
        session,
        actor=actor,
        action=SIGN,
        subject=f"{release.domain}/{release.adapter}",
        reason="",
        after=release.number,
        details={"artifact": release.artifact, "signature": digest},
    )


def signature_of(database: Database, domain: str, artifact: str) -> str | None:
    """The signature to export with an artifact: one that the domain accepts, else the newest, else None."""
    with database.read() as session:
        keys, bundles = _keys(session, domain), _bundles(session, domain, artifact)
    return _accepted(bundles, keys, artifact) or next(iter(bundles), None)


class SignatureGate:
    """Checks before every load whether an artifact may be loaded for a domain. ``database`` raises while there is none.

    Call ``forget`` when the requirements of a domain have changed, here or elsewhere.
    """

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        # Those that asked for no signature when the database last answered. Another set after every change, so that a
        # check which read before it adds to one that nobody looks at any more.
        self._free = set[str]()
        self._forgetting = Lock()

    def check(self, domain: str, artifact: str) -> None:
        """Raise SignatureError unless the domain needs no signature, or the artifact has one that it accepts.

        If the database is unavailable, domains that required no signature load on; those that did do not.
        """
        free = self._free
        try:
            with self._database().read() as session:
                keys = _keys(session, domain)
                bundles = _bundles(session, None, artifact) if keys else []
        except (SQLAlchemyError, UnavailableError) as error:
            if domain in self._free:
                return
            raise SignatureError(
                f"the signature of {artifact[:19]} cannot be checked while the registry's database does not answer"
            ) from error
        (free.discard if keys else free.add)(domain)
        _check(domain, artifact, bundles, keys)

    def forget(self, domains: Collection[str]) -> list[str]:
        """Stop trusting these domains to need no signature; returns those that were trusted. Uses no database."""
        with self._forgetting:
            before = self._free
            self._free = before.difference(domains)
        return sorted(before.intersection(domains))

    def recheck(self, domains: Iterable[str]) -> None:
        """Trust those of ``domains`` again that still need no signature. Raises UnavailableError."""
        free = self._free
        for domain in domains:
            with self._database().read() as session:
                keys = _keys(session, domain)
            if not keys:
                free.add(domain)


def _keys(session: Session, domain: str | None) -> Sequence[SigningKey]:
    query = select(SigningKey).order_by(col(SigningKey.added_at), col(SigningKey.fingerprint))
    return session.exec(query if domain is None else query.where(SigningKey.domain == domain)).all()


def _signatures(session: Session, domains: Collection[str] | None, artifacts: Collection[str]) -> Sequence[Signature]:
    query = select(Signature).where(col(Signature.artifact).in_(artifacts))
    if domains is not None:
        query = query.where(col(Signature.domain).in_(domains))
    return session.exec(query.order_by(col(Signature.added_at).desc(), col(Signature.digest))).all()


def _bundles(session: Session, domain: str | None, artifact: str) -> list[str]:
    """The signatures of an artifact, as published in one domain or in any."""
    domains = None if domain is None else [domain]
    return [row.bundle for row in _signatures(session, domains, [artifact])]


def _served(session: Session, domain: str | None) -> Sequence[Release]:
    """The releases that a channel or a pin names, of one domain or of all."""
    named = union(select(Channel.domain, Channel.adapter, Channel.number), select(Pin.domain, Pin.adapter, Pin.number))
    ref = tuple_(col(Release.domain), col(Release.adapter), col(Release.number))
    query = (
        select(Release).where(ref.in_(named)).order_by(col(Release.domain), col(Release.adapter), col(Release.number))
    )
    return session.exec(query if domain is None else query.where(Release.domain == domain)).all()


def _accepted(bundles: Iterable[str], keys: Sequence[SigningKey], artifact: str) -> str | None:
    usable = [PublicKey(key.fingerprint, key.pem) for key in keys]
    fits = (bundle for bundle in bundles if any(signed_artifact(bundle, key) == artifact for key in usable))
    return next(fits, None)


def _check(domain: str, artifact: str, bundles: Sequence[str], keys: Sequence[SigningKey]) -> None:
    if not keys or _accepted(bundles, keys, artifact) is not None:
        return
    if not bundles:
        raise SignatureError(f"{domain} takes signed adapters only, and this one has no signature; {_SIGN}")
    usable = [PublicKey(key.fingerprint, key.pem) for key in keys]
    if any(signed_artifact(bundle, key) for bundle in bundles for key in usable):
        raise SignatureError(f"the signature is one of other files than these; {_SIGN}")
    raise SignatureError(f"the signature was made with none of the keys that {domain} accepts; {_SIGN}")
