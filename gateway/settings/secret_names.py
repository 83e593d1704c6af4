"""Which settings and variables are secrets: the one list that everything goes by which shows or passes some on."""

from __future__ import annotations

PREFIX = "POSTIL_"
# Each may stand in a file that ``POSTIL_<NAME>_FILE`` names, as containers are given secrets.
SECRETS = frozenset({"database_url", "engine_api_key"})
# What may hold one: no message quotes them.
MAY_HOLD_SECRETS = frozenset({"engine_args", "engine_url"})
# The keys of commands, which a shell may have that starts a gateway.
_COMMANDS_KEYS = ("POSTIL_ADMIN_KEY", "POSTIL_KEY")
# In the name of whatever other variable, these say that it is one.
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")


def variable(name: str) -> str:
    """The variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def file_variable(name: str) -> str:
    """The variable that names a file with a setting's value."""
    return f"{variable(name)}_FILE"


def secret_variables() -> tuple[str, ...]:
    """Variables that are a secret or may hold one, and which nothing needs once the settings are read."""
    return (*(variable(name) for name in sorted(SECRETS | MAY_HOLD_SECRETS)), *_COMMANDS_KEYS)
