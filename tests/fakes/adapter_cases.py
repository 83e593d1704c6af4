"""The set of adapters, good and bad, that preflight and the engine have to agree on."""

from __future__ import annotations

from tests.fakes.adapter_bad_configs import BAD_CONFIGS
from tests.fakes.adapter_bad_files import BAD_FILES
from tests.fakes.adapter_bad_weights import BAD_WEIGHTS
from tests.fakes.adapter_good import GOOD

CASES = [*GOOD, *BAD_CONFIGS, *BAD_WEIGHTS, *BAD_FILES]
