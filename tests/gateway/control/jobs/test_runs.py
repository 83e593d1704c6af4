"""A claim is renewed while something else than training is done for a job."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from postil.gateway.control.jobs.runs import Runs
from postil.gateway.control.jobs.trainer import TrainerCommand, Trainers
from postil.registry.db.job_tables import TrainingJob
from postil.registry.db.tables import utcnow
from postil.registry.jobs.claims import Claim
from postil.registry.jobs.jobs import get
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import running_house, until
from tests.gateway.control.jobs.work import FAKE, created, speaking


async def test_a_claim_is_renewed_until_the_work_is_done(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    idle = running_house(tmp_path, *engine_at, trainer=FAKE, training_jobs=False)
    async with idle as house, speaking(house) as client:
        registry = house.runtime.registry
        job = await created(client)
        with registry.database().write() as session:
            session.get_one(TrainingJob, job.id).claimed_by = "one"
        runs = Runs(registry, Trainers(TrainerCommand(), 1, tmp_path), renew_seconds=0.01)
        late = utcnow() + timedelta(minutes=30)

        def is_renewed() -> bool:
            until_when = get(registry.database(), job.id, None).claimed_until
            return until_when is not None and until_when > late

        async with runs.renewing(Claim(job.id, "one", timedelta(hours=1))):
            await until(is_renewed)
        runs.close()
