"""Breaks every part and counts what that did to clients: ``python -m tests.chaos [--json] [--short] [NAME ...]``."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import engine_faults, registry_faults, worker_faults
from tests.chaos import shutdown as leaving
from tests.chaos.hostile.serve import attacked
from tests.chaos.soak import soak
from tests.chaos.verdict import Row, show


@dataclass(frozen=True)
class Fault:
    """What breaks something so often, and how often in the long and in the short form (a soak: how many seconds)."""

    run: Callable[[Path, int], Awaitable[Row]]
    long: int
    short: int


FAULTS: Mapping[str, Fault] = {
    "killed": Fault(engine_faults.killed, 6, 1),
    "out-of-memory": Fault(engine_faults.out_of_memory, 3, 1),
    "hung": Fault(engine_faults.hung, 3, 1),
    "slow": Fault(engine_faults.slow, 2, 1),
    "crash-loop": Fault(engine_faults.crash_loop, 2, 1),
    "damaged": Fault(engine_faults.damaged, 2, 1),
    "locked": Fault(registry_faults.locked, 2, 1),
    "gone": Fault(registry_faults.gone, 3, 1),
    "full": Fault(registry_faults.full, 3, 1),
    "read-only": Fault(registry_faults.read_only, 3, 1),
    "clock": Fault(registry_faults.clock, 3, 1),
    "worker-killed": Fault(worker_faults.killed, 6, 1),
    "worker-hung": Fault(worker_faults.hung, 3, 1),
    "drained": Fault(leaving.drained, 3, 1),
    "rolling": Fault(leaving.rolling, 3, 1),
    "rolling-workers": Fault(leaving.rolling_workers, 2, 1),
    "soak": Fault(soak, 60, 8),
    # Against the real vLLM: how many seconds of attacks.
    "hostile": Fault(attacked, 300, 60),
}


async def run(names: list[str], *, short: bool) -> list[Row]:
    """Do these, one after the other; what breaks the scenario itself is wrong, too."""
    rows = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        fault = FAULTS[name]
        times = fault.short if short else fault.long
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            try:
                rows.append(await fault.run(Path(folder) / "town", times))
            except Exception as error:
                rows.append(Row(name, times, wrong=1, problems=[f"{type(error).__name__}: {error}"]))
    return rows


def main() -> int:
    """Run what is asked for, print, and say whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("names", nargs="*", default=[], metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--short", action="store_true", help="each fault as often as `make test` does it")
    given = parser.parse_args()
    if unknown := set(given.names) - set(FAULTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    rows = asyncio.run(run(given.names or list(FAULTS), short=given.short))
    show(rows, as_json=given.json)
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
