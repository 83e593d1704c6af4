"""The hooks. Each is called once, while the gateway starts; what they return is used for every request.

No hook is called on the way of a request, so no plugin can slow another's: pluggy's ordering, wrappers and
coroutines never meet a live request. See ``deploy/decisions/0002-hooks-register-classes.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from postil.plugins.contract import FallbackRule, Gate, InputCheck, Listener, Router, Validator

PROJECT = "postil"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def postil_validators() -> Sequence[type[Validator]]:  # type: ignore[empty-body]
    """Fires once at start-up: return the validator classes that policies may name."""


@hookspec
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:  # type: ignore[empty-body]
    """Fires once at start-up: return the fallback rules that policies may name."""


@hookspec
def postil_input_checks() -> Sequence[type[InputCheck]]:  # type: ignore[empty-body]
    """Fires once at start-up: return the checks of requests that policies may name."""


@hookspec
def postil_routers() -> Sequence[type[Router]]:  # type: ignore[empty-body]
    """Fires once at start-up: return the routers that the gateway's settings may name."""


@hookspec
def postil_gates() -> Sequence[type[Gate]]:  # type: ignore[empty-body]
    """Fires once at start-up: return the gates before promotion that the gateway's settings may name."""


@hookspec
def postil_listeners() -> Sequence[type[Listener]]:  # type: ignore[empty-body]
    """Fires once at start-up: return the listeners that the gateway's settings may name."""
