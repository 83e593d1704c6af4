"""The alerts as a file of Prometheus' rules."""

from __future__ import annotations

import yaml

from deploy.observability.alerts import ALERTS, Alert

_NOTICE = "# Written by `make docs` from deploy/observability/alerts.py. Do not edit.\n"


def rules() -> str:
    """``rules.yaml``."""
    groups = {"groups": [{"name": "postil", "rules": [_rule(alert) for alert in ALERTS]}]}
    return _NOTICE + yaml.safe_dump(groups, sort_keys=False, width=10_000, allow_unicode=True)


def _rule(alert: Alert) -> dict[str, object]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.after,
        "labels": {"severity": "page" if alert.page else "ticket"},
        "annotations": {"summary": alert.summary, "description": alert.description, "runbook_url": alert.runbook},
    }
