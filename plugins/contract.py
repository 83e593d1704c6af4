"""What a plugin can bring: classes with a ``name``, a ``version`` and a configuration model.

postil makes one instance for each place that names one (a release's policy, or the gateway's settings), so
``__init__`` is the place for work that is done once: compiling a pattern, reading a list. The methods may be plain
functions or coroutines. Those of installed plugins run in a process of their domain's own, with a deadline:
what raises, hangs or ends that process did not run, and harms nobody else.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from postil.plugins.cost import FREE, Cost
from postil.plugins.errors import ConfigError
from postil.plugins.types import (
    FINAL,
    Candidate,
    Completion,
    Notification,
    RequestContext,
    RoutingRequest,
    Scope,
    Substitute,
    Undecided,
    Verdict,
)

# How a schema refers to its own definitions.
REF_TEMPLATE = "#/$defs/{model}"


class Config(BaseModel):
    """Base of a plugin's configuration: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Component(ABC):
    """What all of them share: a name, a version, a configuration."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    Config: ClassVar[type[BaseModel]] = Config
    # Whether this class only stands for one that is imported elsewhere; postil alone sets it.
    stands_in: ClassVar[bool] = False
    # For built-ins, which run in the gateway's own process: how long they may take there. What may take more than a
    # few milliseconds goes to a process that can be killed, and so does all that is ``blocking``.
    cost: Cost = FREE
    blocking: ClassVar[bool] = False
    # Whether a built-in runs other people's code: its work is done in its domain's process, as a plugin's is.
    foreign: ClassVar[bool] = False

    def __init__(self, config: Any) -> None:
        """Keep ``config``, an instance of this class's ``Config``; raise ConfigError if it cannot work."""
        self.config = config

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Any:
        """Make an instance from a policy's mapping. Raises ConfigError in one sentence."""
        try:
            return cls(cls.Config.model_validate(dict(values)))
        except ValidationError as error:
            raise ConfigError(f"{cls.name}: {_first(error, cls.Config.model_fields)}") from error
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(f"{cls.name}: it cannot be set up with this configuration ({error!r})") from error

    @classmethod
    def config_schema(cls, ref_template: str = REF_TEMPLATE) -> dict[str, Any]:
        """The JSON Schema of the configuration."""
        return cls.Config.model_json_schema(ref_template=ref_template)

    @classmethod
    def config_fields(cls) -> Mapping[str, bool]:
        """The fields of the configuration, and whether each is required."""
        return {name: field.is_required() for name, field in cls.Config.model_fields.items()}


class Validator(Component):
    """Judges a completion. Set ``needs_tokens`` to be given tokens with their log-probabilities.

    ``scope`` (set it in ``__init__`` if it depends on the configuration) says how much of a stream has to be seen at
    once.
    """

    needs_tokens: ClassVar[bool] = False
    scope: Scope = FINAL

    @abstractmethod
    def judge(self, context: RequestContext, completion: Completion) -> Verdict | Awaitable[Verdict]:
        """Return ``Verdict.passed()`` or ``Verdict.failed(reason, spans)``. To raise is to not have run."""


class InputCheck(Component):
    """Looks at a request before the model does."""

    @abstractmethod
    def check(self, context: RequestContext) -> Verdict | Awaitable[Verdict]:
        """Return ``Verdict.passed()``, with a notice or a review if one is due, or ``Verdict.failed(reason)``."""


class FallbackRule(Component):
    """Says what is served when verdicts failed."""

    @abstractmethod
    def answer(
        self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]
    ) -> Substitute | Awaitable[Substitute | None] | None:
        """Return the substitute, or None to leave it to the next rule. ``verdicts`` holds only those not passed."""


class Router(Component):
    """Chooses where a request goes whose ``model`` is ``auto`` or left out."""

    @abstractmethod
    def route(self, question: RoutingRequest) -> str | Undecided | Awaitable[str | Undecided | None] | None:
        """Return a model (``healthcare``, ``legal/clause``), or None for the tenant's default domain.

        ``Undecided(reason)`` refuses the request, and tells the client which models there are.
        """


class Gate(Component):
    """Stands before a promotion."""

    @abstractmethod
    def check(self, candidate: Candidate, live: Candidate | None) -> Verdict | Awaitable[Verdict]:
        """Return ``Verdict.passed()``, or ``Verdict.failed(reason)`` and it is not made live."""


class Listener(Component):
    """Hears of what was done, after it was done: of each event once, on one of the gateways that share a database.

    Twice where a gateway ended before it had noted that an event was told.
    """

    @abstractmethod
    def handle(self, notification: Notification) -> Awaitable[None] | None:
        """Take note. To raise changes nothing, and is logged."""


def _first(error: ValidationError, known: Iterable[str]) -> str:
    """One sentence out of pydantic's list: the first complaint and where it is."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "configuration"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, sorted(known), 1)
        return f"there is no option {where}; {f'did you mean {near[0]}?' if near else 'leave it out'}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}"
