"""The two things a plugin can bring: validators, which judge, and fallback rules, which say what is served instead.

Both are classes with a ``name``, a ``version`` and a configuration model. postil makes one instance per
release when the release becomes servable, so ``__init__`` is the place for work that is done once (compiling
a pattern, reading a list); ``judge`` and ``answer`` run on every request and must be quick and free of I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from postil.plugins.errors import ConfigError
from postil.plugins.types import Completion, Exchange, Fallback, Verdict


class Config(BaseModel):
    """Base of a plugin's configuration: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Component(ABC):
    """What validators and fallback rules share: a name, a version, a configuration."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    Config: ClassVar[type[BaseModel]] = Config

    def __init__(self, config: Any) -> None:
        """Keep ``config``, an instance of this class's ``Config``; raise ConfigError if it cannot work."""
        self.config = config

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Any:
        """Make an instance from a policy's mapping. Raises ConfigError in one sentence."""
        try:
            return cls(cls.Config.model_validate(dict(values)))
        except ValidationError as error:
            raise ConfigError(f"{cls.name}: {_first(error)}") from error
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(f"{cls.name}: it cannot be set up with this configuration ({error!r})") from error


class Validator(Component):
    """Judges one whole completion. Set ``needs_tokens`` to be given tokens with their log-probabilities."""

    needs_tokens: ClassVar[bool] = False

    @abstractmethod
    def judge(self, exchange: Exchange, completion: Completion) -> Verdict:
        """Return ``Verdict.passed()`` or ``Verdict.failed(reason)``. To raise is to not have run."""


class FallbackRule(Component):
    """Says what is served when verdicts failed."""

    @abstractmethod
    def answer(
        self, exchange: Exchange, completion: Completion, verdicts: Sequence[Verdict]
    ) -> Fallback | None:
        """Return the substitute, or None to leave it to the next rule. ``verdicts`` holds only those not passed."""


def _first(error: ValidationError) -> str:
    """One sentence out of pydantic's list: the first complaint and where it is."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "configuration"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}"
