"""``linear``: a request for ``auto`` goes to the model that a small trained classifier finds it to be for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from postil.plugins.contract import Config, Router
from postil.plugins.cost import Cost
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.recognition.router_model import READ, read_router
from postil.plugins.texts import asked, ends
from postil.plugins.types import RoutingRequest, Undecided

# Microseconds for a character of a text, and more of it for each model.
_ASCII, _OTHER, _EACH = 1.5, 3.8, 0.3


class LinearConfig(Config):
    """``file``: what ``postil train-router`` wrote; ``threshold``: how probable a model has to be, if not as it says.

    ``otherwise``: where a request for ``auto`` goes that is for no model, or for one that the tenant may not use:
    ``refuse`` answers 400 and names the models there are, ``base`` has the base answer, ``default`` the default domain.
    """

    file: Path
    threshold: Annotated[float | None, Field(ge=0, le=1)] = None
    otherwise: Literal["refuse", "base", "default"] = "refuse"


class Linear(Router):
    """Reads the last that the user said, and sends it to a model only if that one is probable enough.

    A request without ``model`` goes to the tenant's default domain where it is for no model, as without a router.
    """

    name = "linear"
    Config = LinearConfig

    def __init__(self, config: LinearConfig) -> None:
        super().__init__(config)
        try:
            self._model = read_router(config.file)
        except ValueError as error:
            raise ConfigError(f"linear: {error}; make it with `postil train-router`") from error
        each = _EACH * len(self._model.file.models)
        self.cost = Cost(ascii=_ASCII + each, other=_OTHER + each, most=READ)

    def route(self, question: RoutingRequest) -> str | Undecided | None:
        """Return the model, or what happens otherwise."""
        said = "\n".join(ends(asked(question.request), READ))[-READ:]
        model, _, sure = self._model.choose(said, self.config.threshold)
        if sure and model is not None and model.partition("/")[0] in question.domains:
            return model
        if question.request.get("model") is None or self.config.otherwise == "default":
            return None
        return "base" if self.config.otherwise == "base" else Undecided("it is not sure which model this text is for")


@hookimpl
def postil_routers() -> Sequence[type[Router]]:
    """Offer ``linear``."""
    return [Linear]
