"""A request leaves nothing that only the collector would find, so that it may look seldom."""

from __future__ import annotations

import gc
from collections import Counter

from tests.gateway.conftest import House

_REQUESTS = 40


async def test_a_request_leaves_no_ring_of_the_gateways_objects(house: House, clinic: str) -> None:
    for stream in (False, True):
        assert (await house.ask(clinic, stream=stream)).status_code == 200
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for number in range(_REQUESTS):
            assert (await house.ask(clinic, stream=number % 2 == 0)).status_code == 200
        gc.collect()
        left = Counter(type(each).__module__ for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    # The client of this test leaves many; of the gateway, background work may leave a few.
    assert sum(count for module, count in left.items() if module.startswith("postil.")) < _REQUESTS // 2
