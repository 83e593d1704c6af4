"""How long pages of the console take at 10,000 releases, 100,000 events and 10,000 reviews.

``python -m tests.benchmarks.console``: a gateway over the fake engine, its database filled behind its back. An admin
and a publisher of the domain ask for each page 40 times, over HTTP on loopback. The aim is 100 ms.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert
from sqlmodel import Session, col, select

from postil.registry.accounts.keys import Role
from postil.registry.db.database import Database
from postil.registry.db.tables import Event, Release, Review, utcnow
from tests.fakes.vllm import running_engine
from tests.gateway.api.console.conftest import Browser, People
from tests.gateway.conftest import House, running_house

RELEASES, EVENTS, REVIEWS, ROUNDS = 10_000, 100_000, 10_000, 40
NAME = "healthcare/triage"
PAGES = {
    "home": "/console",
    "adapter": f"/console/adapters/{NAME}",
    "adapter, last page": f"/console/adapters/{NAME}?after=",
    "release": f"/console/adapters/{NAME}/releases/5000",
    "log": "/console/log",
    "log of the adapter": f"/console/log?adapter={NAME}",
    "reviews": "/console/reviews",
}


async def main() -> None:
    """Fill a gateway's database, and print how long each page takes."""
    table = Table("page", "by", "median ms", "slowest ms", "KiB")
    with tempfile.TemporaryDirectory() as folder:
        async with running_engine() as engine, running_house(Path(folder), *engine) as house:
            await house.publish(NAME)
            await asyncio.to_thread(fill, house.runtime.registry.database())
            people = People(house)
            admin = await people.signed_in()
            publisher = await people.signed_in(Role.PUBLISHER, "healthcare")
            await caught_up(house)
            for who, browser in (("admin", admin), ("publisher", publisher)):
                for page, path in PAGES.items():
                    if who == "admin" or page != "reviews":
                        table.add_row(page, who, *await timed(browser, await whole(browser, page, path)))
            await people.close()
    Console().print(table)


def fill(database: Database) -> None:
    """Add releases, the events of their publishing and others, and open reviews."""
    with database.write() as session:
        first = session.exec(select(Release)).one().model_dump()
        last = session.exec(select(Event).order_by(col(Event.sequence).desc()).limit(1)).one().model_dump()
        numbers = range(2, RELEASES + 1)
        _insert(
            session,
            Release,
            [{**first, "id": None, "number": one, "artifact": f"sha256:{one:064x}"} for one in numbers],
        )
        subjects = [NAME if one % 10 else f"legal/clause-{one % 97}" for one in range(EVENTS)]
        published: dict[str, object] = {
            "action": "publish",
            "before": None,
            "after": 2,
            "details": {},
            "reason": "a note",
        }
        events = [
            {**last, **published, "sequence": last["sequence"] + 1 + place, "subject": subject}
            for place, subject in enumerate(subjects)
        ]
        _insert(session, Event, events)
        _insert(session, Review, [_review(number) for number in range(REVIEWS)])


def _insert(session: Session, table: type, rows: list[dict[str, object]]) -> None:
    session.connection().execute(insert(table), rows)


def _review(number: int) -> dict[str, object]:
    review = Review(
        id=f"{number:032x}", domain="healthcare", adapter="triage", number=1, tenant="clinic", answer="x", reason="low",
        request={"messages": [{"role": "user", "content": "my head hurts"}]}, verdicts=[],
        created_at=utcnow() - timedelta(seconds=number),
    )  # fmt: skip
    return review.model_dump()


async def caught_up(house: House) -> None:
    """Wait until the gateway serves the releases that were added behind its back."""
    await house.runtime.sync.sync_adapter(house.runtime.catalog.current.entries[NAME].name)


async def whole(browser: Browser, page: str, path: str) -> str:
    """Return a path; of the last page, the cursor is taken from the middle of the list."""
    if not path.endswith("after="):
        return path
    for _ in range(20):
        text = await browser.text(path.removesuffix("?after="))
        path = text.partition("?after=")[2].partition("#")[0]
        path = f"/console/adapters/{NAME}?after={path}"
    return path


async def timed(browser: Browser, path: str) -> tuple[str, str, str]:
    """Return the median and the longest time of a page, and its size."""
    took, size = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = await browser.get(path)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
        size = len(answer.content)
    return f"{statistics.median(took):.1f}", f"{max(took):.1f}", f"{size / 1024:.0f}"


if __name__ == "__main__":
    asyncio.run(main())
