"""What vLLM does with ``--middleware``, for the fakes that a gateway starts as its own."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence
from typing import Any


def with_middleware(app: Any, arguments: Sequence[str]) -> Any:
    """The application inside the class that the command line names, if it names one."""
    named = dict(itertools.pairwise(arguments)).get("--middleware")
    if named is None:
        return app
    module, _, kind = named.rpartition(".")
    return getattr(importlib.import_module(module), kind)(app)
