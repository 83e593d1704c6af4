"""The libraries that checks of data need, which come with the extra ``tune``."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from postil.registry.training.errors import TuneExtraMissingError

NEAR = ("datasketch",)
SUSPECTS = ("sklearn", "cleanlab")
PARQUET = ("pyarrow",)


def require(names: Iterable[str], what: str) -> None:
    """Check that the modules ``names`` are there. Raises TuneExtraMissingError, which says what needs them."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise TuneExtraMissingError(
            f"{what} needs {', '.join(missing)}; install it with: bash deploy/setup.sh cpu tune"
            " (elsewhere than in a clone of postil: pip install 'postil[tune]')"
        )
