"""Who calls: from a key to a caller, in memory."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from postil.gateway.errors import AuthenticationError
from postil.gateway.limits.quota import Quota, quota
from postil.gateway.settings import Settings
from postil.registry.files import write_private
from postil.registry.limits import of_tenant
from postil.registry.models import Tenant
from postil.registry.tenants import key_hash, new_key

DEMO_TENANTS: Mapping[str, str] = {
    "demo-clinic": "healthcare",
    "demo-lawfirm": "legal",
    "demo-bank": "finance",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant as a request sees it. The admin may ask every domain and has no default one."""

    name: str
    domains: frozenset[str]
    default_domain: str | None = None
    admin: bool = False
    limits: Quota | None = None

    def may_ask(self, domain: str) -> bool:
        """Whether this caller may ask the adapters of a domain."""
        return self.admin or domain in self.domains


class Directory:
    """All keys, by hash. Immutable: a change makes a new one."""

    def __init__(self, admin_key: str, tenants: Iterable[Tenant] = (), *, demo: bool = False) -> None:
        self._admin_hash = key_hash(admin_key)
        self._callers = {
            tenant.key_hash: Caller(
                tenant.name, frozenset(tenant.domains), tenant.default_domain,
                limits=quota(tenant.name, of_tenant(tenant)),
            )
            for tenant in tenants
        }
        if demo:
            self._callers |= {
                key_hash(name): Caller(name, frozenset({domain}), domain) for name, domain in DEMO_TENANTS.items()
            }
        self._callers[self._admin_hash] = Caller("admin", frozenset(), admin=True)

    def identify(self, authorization: str | None) -> Caller:
        """The caller behind an Authorization header. Raises AuthenticationError."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise AuthenticationError("no API key was sent; add the header `Authorization: Bearer <key>`")
        # Looked up by its hash: how long that takes says nothing about any key.
        caller = self._callers.get(key_hash(key.strip()))
        if caller is None:
            raise AuthenticationError("this API key is not known here; ask whoever runs the gateway for one")
        return caller

    def knows(self, name: str) -> bool:
        """Whether there is a tenant of that name."""
        return any(caller.name == name and not caller.admin for caller in self._callers.values())

    def limited(self) -> bool:
        """Whether there is a tenant with limits."""
        return any(caller.limits for caller in self._callers.values())

    def is_admin(self, key: str) -> bool:
        """Whether a key is the admin's, compared in constant time."""
        return hmac.compare_digest(key_hash(key), self._admin_hash)


def admin_key(settings: Settings) -> str:
    """Read the admin key; at the first start make it, readable by its owner only."""
    path = settings.admin_key_file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, new_key() + "\n")
    return path.read_text().strip()
