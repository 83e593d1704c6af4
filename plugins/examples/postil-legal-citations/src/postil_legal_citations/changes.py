"""``legal-changes``: a list, for people, of what was made live."""

from __future__ import annotations

from pathlib import Path

from postil.plugins import Config, Happening, Listener

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

    def hear(self, happening: Happening) -> None:
        """Write the line: when, what, who and why."""
        if happening.action not in _MADE_LIVE or not happening.subject.startswith(f"{self.config.domain}/"):
            return
        why = f": {happening.reason}" if happening.reason else ""
        line = f"- {happening.at:%Y-%m-%d %H:%M} {happening.subject}@{happening.after} by {happening.actor}{why}\n"
        with self.config.file.open("a", encoding="utf-8") as file:
            file.write(line)
