"""Responses about usage, for an admin and for the tenant itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class UsageCounts(msgspec.Struct, kw_only=True):
    """Requests and tokens as the engine counted them; ``uncounted`` requests have no token counts."""

    requests: int
    uncounted: int
    prompt_tokens: int
    completion_tokens: int


class UsageEntry(UsageCounts, kw_only=True):
    """Usage of one tenant, adapter, release or day, depending on the grouping.

    Answers are counted at the top level; retries by policies (``retry``) and copies for shadows are counted separately.
    """

    tenant: str | UnsetType = UNSET
    adapter: str | UnsetType = UNSET
    release: str | UnsetType = UNSET
    day: str | UnsetType = UNSET
    retry: UsageCounts | UnsetType = UNSET
    shadow: UsageCounts | UnsetType = UNSET


class UsagePage(msgspec.Struct, kw_only=True):
    """Usage, ordered by the grouping key."""

    data: list[UsageEntry]
    next: str | None


class TenantUsage(msgspec.Struct, kw_only=True):
    """All usage of a tenant, in OpenAI's list envelope."""

    object: Literal["list"] = "list"
    data: list[UsageEntry]


def show_usage(entries: Iterable[Mapping[str, Any]]) -> list[UsageEntry]:
    """Convert the registry's usage entries."""
    return [msgspec.convert(entry, UsageEntry) for entry in entries]
