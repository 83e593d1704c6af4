"""Finds the caller behind a key, in memory."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

from postil.gateway.errors import (
    AuthenticationError,
    EngineUnavailableError,
    GatewayError,
    KeyForbiddenError,
    SettingsError,
    TenantRefusedError,
)
from postil.gateway.settings import Settings
from postil.gateway.tenancy.permissions import PERMISSIONS, Permission
from postil.gateway.tenancy.quota import Quota, quota
from postil.registry.accounts.keys import OF_DOMAINS, OLD_MARK, Role, new_secret, parts, salted, unsalted
from postil.registry.accounts.limits import of_tenant
from postil.registry.accounts.rights import DEFAULT_RIGHTS, Right, rights_of
from postil.registry.accounts.tenants import tenants_and_keys
from postil.registry.db.database import Database
from postil.registry.db.tables import Key, Tenant
from postil.registry.fsutil import write_private

DEMO_TENANTS: Mapping[str, str] = {
    "demo-clinic": "healthcare",
    "demo-lawfirm": "legal",
    "demo-bank": "finance",
}
# Asks all of them by `model: auto`, or by their names.
DEMO_DESK = "demo-desk"
_DEMO_NAMES = DEMO_TENANTS.keys() | {DEMO_DESK}
_SHORTEST_ADMIN_KEY = 20


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request. The admin may ask every domain and has no default one.

    ``name`` is the tenant's. For keys of people and pipelines, ``owner`` is the key's owner, and ``scope`` the
    domains it is for (None: all). ``root`` marks the key file, which several people may share.
    """

    name: str
    domains: frozenset[str]
    default_domain: str | None = None
    admin: bool = False
    role: Role = Role.TENANT
    scope: frozenset[str] | None = None
    owner: str = ""
    key: str | None = None
    root: bool = False
    limits: Quota | None = None
    rights: frozenset[Right] = DEFAULT_RIGHTS
    # The tenant's own for ever, which another of the same name does not share; empty for the demo's and for admins.
    uid: str = ""
    # The day on which the tenant was added.
    since: date | None = None

    def may_ask(self, domain: str) -> bool:
        """Whether this caller may ask the adapters of a domain."""
        return self.admin or domain in self.domains

    def has(self, right: Right) -> bool:
        """Whether this caller has a tenant's right; the admin has each."""
        return self.admin or right in self.rights

    def may(self, right: Permission, domain: str | None = None) -> bool:
        """Whether this caller has a permission in a domain; without a domain, whether it has it anywhere."""
        return right in PERMISSIONS[self.role] and (domain is None or self.scope is None or domain in self.scope)


@dataclass(frozen=True, slots=True)
class _Held:
    """A key as it is compared. ``until`` is in seconds since 1970; what is ``revoked`` is refused by name."""

    salt: bytes
    hash: bytes
    caller: Caller
    until: float
    revoked: bool
    refused: bool = False


# Headers whose key is remembered.
_MOST_SEEN = 4096
_NOBODY = _Held(bytes(16), bytes(32), Caller("", frozenset()), 0.0, True)


class Directory:
    """All keys, by id; those without one (the admin's, the demo's, from before 0005) by hash.

    Immutable: a change makes a new one. ``clock`` is what a key's expiry is compared with at each use. One that is not
    ``whole`` is from before the registry was read: an unknown key gets a 503 from it, not a 401.
    """

    def __init__(
        self,
        admin_key: str,
        tenants: Iterable[Tenant] = (),
        keys: Iterable[Key] = (),
        *,
        demo: bool = False,
        clock: Callable[[], float] = time.time,
        whole: bool = True,
    ) -> None:
        known = {tenant.name: tenant for tenant in tenants}
        self._clock = clock
        self._whole = whole
        self._quotas = {tenant.name: quota(tenant.name, of_tenant(tenant)) for tenant in known.values()}
        self._tenants = known.keys() | (_DEMO_NAMES if demo else set())
        self._pepper = secrets.token_bytes(32)
        self._seen: dict[bytes, _Held] = {}
        self._salted: dict[str, _Held] = {}
        self._unsalted: dict[str, _Held] = {}
        for key in keys:
            if (caller := _caller(key, known, self._quotas)) is not None:
                held = _held(key, caller, refused=_refused(key, known))
                if key.salt:
                    self._salted[key.id] = held
                else:
                    self._unsalted[key.hash] = held
        for caller in _demo_callers() if demo else ():
            self._unsalted[unsalted(caller.name)] = _forever(caller)
        root = Caller("admin", frozenset(), admin=True, role=Role.ADMIN, owner="admin", root=True)
        self._unsalted[unsalted(admin_key)] = _forever(root)

    def identify(self, authorization: str | None) -> Caller:
        """The tenant (or admin) behind an Authorization header. Raises AuthenticationError or KeyForbiddenError."""
        caller = self.known(authorization)
        if caller.role is not Role.TENANT and not caller.admin:
            error = KeyForbiddenError(f"this is a {caller.role}'s key, which asks for no answers; use a tenant's key")
            error.owner, error.key = caller.owner, caller.key
            raise error
        return caller

    def known(self, authorization: str | None) -> Caller:
        """The caller, of any role, behind an Authorization header. Raises AuthenticationError, TenantRefusedError or
        EngineUnavailableError.
        """
        return self._in_force(self._found(authorization or ""))

    def handle(self, authorization: str | None) -> str:
        """By what ``recall`` finds the key of an Authorization header again: its id, or the hash of one that has none.

        Raises what ``known`` raises.
        """
        self.known(authorization)
        key = (authorization or "").partition(" ")[2].strip()
        split = parts(key)
        return unsalted(key) if split is None else split[0]

    def recall(self, handle: str) -> Caller:
        """The caller whose key ``handle`` named, as it is now. Raises what ``known`` raises."""
        held = self._salted.get(handle) or self._unsalted.get(handle)
        if held is None:
            raise self._unknown()
        return self._in_force(held)

    def _in_force(self, held: _Held) -> Caller:
        """The caller of a key that neither expired nor was revoked, and whose tenant is not refused."""
        if held.revoked or self._clock() >= held.until:
            why = "was revoked" if held.revoked else "has expired"
            error = AuthenticationError(f"this API key {why}; ask whoever runs the gateway for another")
            error.owner, error.key = held.caller.owner, held.caller.key
            raise error
        if held.refused:
            raise TenantRefusedError
        return held.caller

    def _found(self, authorization: str) -> _Held:
        """The key that a header names.

        A header that named one is known again by a digest under a secret of this directory: no key's text is kept.
        """
        seen = blake2b(authorization.encode(), key=self._pepper, digest_size=32).digest()
        held = self._seen.get(seen)
        if held is None:
            held = self._compared(authorization)
            if len(self._seen) >= _MOST_SEEN:  # One key can be written in many ways.
                self._seen.clear()
            self._seen[seen] = held
        return held

    def _compared(self, authorization: str) -> _Held:
        """The key that a header names, compared with its stored hash. Raises AuthenticationError or
        EngineUnavailableError.
        """
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not (key := key.strip()):
            raise AuthenticationError("no API key was sent; add the header `Authorization: Bearer <key>`")
        split = parts(key)
        if split is not None:
            held = self._salted.get(split[0], _NOBODY)
            if not hmac.compare_digest(salted(held.salt, split[1]), held.hash):
                raise self._unknown()
        else:
            # Looked up by its hash: how long that takes says nothing about any key.
            held = self._unsalted.get(unsalted(key), _NOBODY)
            if held is _NOBODY:
                raise self._unknown()
        return held

    def knows(self, name: str) -> bool:
        """Whether there is a tenant of that name."""
        return name in self._tenants

    def limited(self) -> bool:
        """Whether any tenant has limits that all gateways count together."""
        return any(quota is not None and (quota.requests or quota.tokens) for quota in self._quotas.values())

    def quota(self, tenant: str) -> Quota | None:
        """A tenant's limits, if it has any."""
        return self._quotas.get(tenant)

    def _unknown(self) -> GatewayError:
        if self._whole:
            return AuthenticationError("this API key is not known here; ask whoever runs the gateway for one")
        return EngineUnavailableError("the gateway is still starting; try again in a moment")


def read_directory(database: Database, admin_key: str, *, demo: bool) -> Directory:
    """The directory as the registry has it now. Where the demo's keys are in force, its tenants are nobody else."""
    tenants, keys = tenants_and_keys(database)
    taken = [tenant for tenant in tenants if not (demo and tenant.name in _DEMO_NAMES)]
    return Directory(admin_key, taken, keys, demo=demo)


def _demo_callers() -> list[Caller]:
    own = [Caller(name, frozenset({domain}), domain, owner=name) for name, domain in DEMO_TENANTS.items()]
    return [*own, Caller(DEMO_DESK, frozenset(DEMO_TENANTS.values()), owner=DEMO_DESK)]


def _caller(key: Key, tenants: Mapping[str, Tenant], quotas: Mapping[str, Quota | None]) -> Caller | None:
    """The caller with this key; None if its tenant was removed."""
    role = Role(key.role)
    if role is Role.TENANT:
        tenant = tenants.get(key.owner)
        if tenant is None:
            return None
        return Caller(
            tenant.name,
            frozenset(tenant.domains),
            tenant.default_domain,
            key=key.id,
            owner=key.owner,
            limits=quotas[tenant.name],
            rights=rights_of(tenant),
            uid=tenant.uid,
            since=tenant.created_at.date(),
        )
    # Admins ask under the name of the key file's, which no tenant can have: what is kept by name is nobody else's.
    return Caller(
        "admin" if role is Role.ADMIN else "",
        frozenset(),
        admin=role is Role.ADMIN,
        role=role,
        key=key.id,
        scope=frozenset(key.domains) if role in OF_DOMAINS else None,
        owner=key.owner,
    )


def _refused(key: Key, tenants: Mapping[str, Tenant]) -> bool:
    return key.role == Role.TENANT and tenants[key.owner].refused_at is not None


def _held(key: Key, caller: Caller, *, refused: bool) -> _Held:
    until = float("inf") if key.expires_at is None else key.expires_at.timestamp()
    salt, digest = (bytes.fromhex(key.salt), bytes.fromhex(key.hash)) if key.salt else (b"", b"")
    return _Held(salt, digest, caller, until, key.revoked_at is not None, refused)


def _forever(caller: Caller) -> _Held:
    return _Held(b"", b"", caller, float("inf"), False)


def admin_key(settings: Settings) -> str:
    """Read the admin key, or make it, readable by its owner only.

    Raises SettingsError if it is short, or would be looked up as another.
    """
    path = settings.admin_key_file
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, f"{OLD_MARK}{new_secret()}\n")
    key = path.read_text(encoding="utf-8", errors="replace").strip()
    if len(key) < _SHORTEST_ADMIN_KEY:
        raise SettingsError(f"{path} holds no key that is hard to guess; delete it, and the next start makes one")
    if parts(key) is not None:
        raise SettingsError(f"{path} holds a key as `postil keys` makes them; write another there, not postil_..._...")
    return key
