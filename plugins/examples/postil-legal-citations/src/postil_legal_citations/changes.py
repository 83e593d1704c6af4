"""``legal-changes``: a list, for people, of what was made live."""

from __future__ import annotations

from pathlib import Path

from postil.plugins import Config, Listener, Notification

_MADE_LIVE = ("promote", "rollback")


class ChangesConfig(Config):
    """``file`` is the list, made if it is not there; ``domain`` is whose releases it is about."""

    file: Path
    domain: str = "legal"


class Changes(Listener):
    """Adds a line whenever another release of the domain is in force."""

    name = "legal-changes"
    version = "1"
    Config = ChangesConfig

    def handle(self, notification: Notification) -> None:
        """Write the line: when, what, who and why."""
        if notification.action not in _MADE_LIVE or not notification.subject.startswith(f"{self.config.domain}/"):
            return
        why = f": {notification.reason}" if notification.reason else ""
        what = f"{notification.subject}@{notification.after} by {notification.actor}"
        line = f"- {notification.at:%Y-%m-%d %H:%M} {what}{why}\n"
        with self.config.file.open("a", encoding="utf-8") as file:
            file.write(line)
