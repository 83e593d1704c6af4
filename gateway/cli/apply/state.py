"""What a gateway has now, of that which files may declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from postil.gateway.cli.api_client import call, call_list

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class State:
    """Domains, tenants, webhooks and adapters by name, as the admin API shows them; each domain's default adapter."""

    domains: Rows
    tenants: Rows
    webhooks: Rows
    adapters: Rows
    defaults: Mapping[str, str]


def read_state(client: httpx.Client, adapters: Iterable[str]) -> State:
    """Read what the gateway has; of adapters those that are named. Raises CommandError."""
    summaries = call_list(client, "/api/v1/adapters", {}, 0).data
    return State(
        domains=_by(client, "domains", "domain"),
        tenants=_by(client, "tenants", "name"),
        webhooks=_by(client, "webhooks", "name"),
        adapters={name: call(client, "GET", f"/api/v1/adapters/{name}") for name in adapters},
        defaults=dict(one["adapter"].split("/") for one in summaries if one["default"]),
    )


def _by(client: httpx.Client, kind: str, key: str) -> Rows:
    return {row[key]: row for row in call_list(client, f"/api/v1/{kind}", {}, 0).data}
