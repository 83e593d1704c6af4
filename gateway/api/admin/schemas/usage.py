"""How usage looks: to an admin, and to the tenant itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class UsageCounts(msgspec.Struct, kw_only=True):
    """Requests and tokens, as the engine counted them; of ``uncounted`` requests it had not said what they took."""

    requests: int
    uncounted: int
    prompt_tokens: int
    completion_tokens: int


class UsageEntry(UsageCounts, kw_only=True):
    """What was used of one tenant, adapter, release or day, whichever it was added up by.

    The answers stand for themselves; what policies asked again (``retry``), and copies for shadows, stand beside them.
    """

    tenant: str | UnsetType = UNSET
    adapter: str | UnsetType = UNSET
    release: str | UnsetType = UNSET
    day: str | UnsetType = UNSET
    retry: UsageCounts | UnsetType = UNSET
    shadow: UsageCounts | UnsetType = UNSET


class UsagePage(msgspec.Struct, kw_only=True):
    """Usage in the order of what it is added up by."""

    data: list[UsageEntry]
    next: str | None


class TenantUsage(msgspec.Struct, kw_only=True):
    """All of a tenant's own usage, in OpenAI's envelope."""

    object: Literal["list"] = "list"
    data: list[UsageEntry]


def show_usage(entries: Iterable[Mapping[str, Any]]) -> list[UsageEntry]:
    """The registry's entries, one each."""
    return [msgspec.convert(entry, UsageEntry) for entry in entries]
