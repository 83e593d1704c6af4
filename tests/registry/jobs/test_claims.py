"""Of the gateways that share a database one works on a job: one that is gone loses it, and who cancels takes it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from postil.registry.db.database import Database
from postil.registry.db.job_tables import TrainingJob
from postil.registry.db.tables import utcnow
from postil.registry.errors import JobError
from postil.registry.jobs import claims, jobs
from postil.registry.jobs.claims import Claim, Progress, Told
from postil.registry.jobs.files import TrainingFiles
from postil.registry.jobs.states import JobStatus
from postil.registry.names import AdapterName
from tests.registry.jobs.data import added, job_of

MINUTE = timedelta(minutes=1)
VALIDATING = (JobStatus.VALIDATING,)


@pytest.fixture
def job(files: TrainingFiles, database: Database, tmp_path: Path) -> TrainingJob:
    """A job that nobody works on."""
    return job_of(database, added(files, tmp_path))


def taken(database: Database, holder: str, later: timedelta = timedelta(0)) -> str | None:
    """The id of the job that a gateway claims for a minute."""
    found = claims.claim(database, VALIDATING, holder, now=utcnow() + later, lasts=MINUTE)
    return found.id if found else None


def held(job: TrainingJob, holder: str = "one") -> Claim:
    """The claim of a gateway."""
    return Claim(job.id, holder, MINUTE)


def told(database: Database, job: TrainingJob) -> list[tuple[str, str]]:
    """What a job told, the oldest first."""
    rows = jobs.list_events(database, job.id, None, after=None, limit=100).data
    return [(event.level, event.message) for event in reversed(rows)]


def test_a_job_is_claimed_once_until_the_claim_expires(database: Database, job: TrainingJob) -> None:
    assert claims.claim(database, [JobStatus.QUEUED], "one", now=utcnow(), lasts=MINUTE) is None
    assert taken(database, "one") == job.id
    assert taken(database, "two") is None
    assert taken(database, "one") == job.id  # It began again, and has what it had.
    assert taken(database, "two", later=2 * MINUTE) == job.id
    assert claims.report(database, held(job, "two"), now=utcnow())
    assert not claims.report(database, held(job), now=utcnow())
    claims.release(database, held(job))  # It is another's.
    assert taken(database, "one") is None
    claims.release(database, held(job, "two"))
    assert taken(database, "one") == job.id


def test_a_job_goes_from_state_to_state_and_tells_what_happens(database: Database, job: TrainingJob) -> None:
    assert taken(database, "one")
    assert claims.move(database, held(job), JobStatus.QUEUED, "valid")
    assert not claims.move(database, held(job), JobStatus.SUCCEEDED, "too early")
    assert claims.move(database, held(job), JobStatus.RUNNING, "started")
    soon = utcnow() + MINUTE
    news = [Told("step 1", kind="metrics", data={"step": 1, "train_loss": 0.5})]
    assert claims.report(database, held(job), news, Progress(1, 9, soon), now=utcnow())
    found = jobs.get(database, job.id, None)
    assert (found.status, found.step, found.steps, found.estimated_finish) == ("running", 1, 9, soon)
    assert not claims.succeed(database, held(job), "healthcare/triage@1", {}, actor="ann")
    assert claims.move(database, held(job), JobStatus.PUBLISHING, "published")
    assert claims.succeed(database, held(job), "healthcare/triage@1", {"accuracy": 0.9}, actor="ann")
    found = jobs.get(database, job.id, None)
    assert (found.status, found.fine_tuned_model, found.step) == ("succeeded", "healthcare/triage@1", 9)
    assert (found.metrics, found.claimed_by, found.estimated_finish) == ({"accuracy": 0.9}, None, None)
    assert [message for _, message in told(database, job)[1:]] == [
        "valid", "started", "step 1", "published", "New fine-tuned model created: healthcare/triage@1; it is not live",
    ]  # fmt: skip


def test_a_job_that_fails_says_why(database: Database, job: TrainingJob) -> None:
    assert taken(database, "one")
    assert claims.fail(database, held(job), "it cannot be", code="no", param="training_file", actor="postil")
    found = jobs.get(database, job.id, None)
    assert found.error == {"code": "no", "message": "it cannot be", "param": "training_file"}
    assert (found.status, told(database, job)[-1]) == ("failed", ("error", "it cannot be"))


def test_an_error_is_kept_with_4000_characters_at_most(database: Database, job: TrainingJob) -> None:
    assert taken(database, "one")
    assert claims.fail(database, held(job), "x" * 1_000_000, code="no", actor="postil")
    error = jobs.get(database, job.id, None).error
    assert error is not None
    assert error["message"] == "x" * 3997 + "..."
    assert told(database, job)[-1] == ("error", error["message"])


def test_crashes_are_counted(database: Database, job: TrainingJob) -> None:
    assert taken(database, "one")
    assert [claims.crashed(database, held(job), "gone") for _ in range(2)] == [1, 2]
    assert told(database, job)[-1] == ("warn", "gone")


def test_a_cancelled_job_is_nobodys(database: Database, job: TrainingJob) -> None:
    assert taken(database, "one")
    jobs.cancel(database, job.id, None, actor="ann")
    assert not claims.report(database, held(job), now=utcnow())
    assert not claims.move(database, held(job), JobStatus.QUEUED, "valid")
    assert not claims.succeed(database, held(job), "x", {}, actor="ann")
    assert not claims.fail(database, held(job), "x", code="x", actor="ann")
    assert claims.crashed(database, held(job), "x") is None
    assert jobs.get(database, job.id, None).status == "cancelled"


def test_a_job_whose_release_is_being_made_can_neither_be_cancelled_nor_paused(
    database: Database, job: TrainingJob
) -> None:
    assert taken(database, "one")
    for status in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PUBLISHING):
        assert claims.move(database, held(job), status, status)
    with pytest.raises(JobError, match="its release is being published"):
        jobs.cancel(database, job.id, None, actor="ann")
    with pytest.raises(JobError, match="only one that is queued or running can be paused"):
        jobs.pause(database, job.id, None, actor="ann")
    assert claims.move(database, held(job), JobStatus.RUNNING, "not now")
    assert jobs.pause(database, job.id, None, actor="ann").status == "paused"
    assert not claims.move(database, held(job), JobStatus.PUBLISHING, "too late")


def test_a_paused_job_is_nobodys_even_with_a_claim(database: Database, job: TrainingJob) -> None:
    assert taken(database, "one")
    with database.write() as session:
        session.get_one(TrainingJob, job.id).status = JobStatus.PAUSED
    assert not claims.report(database, held(job), now=utcnow())


def test_it_is_the_turn_of_the_domain_that_waits_for_longest(
    files: TrainingFiles, database: Database, job: TrainingJob, tmp_path: Path
) -> None:
    second = job_of(database, added(files, tmp_path))
    clause = AdapterName("legal", "clause")
    other = job_of(database, added(files, tmp_path, domain="legal"), name=clause)
    assert taken(database, "one") == job.id
    assert claims.fail(database, held(job), "no", code="no", actor="ann")
    assert taken(database, "one") == other.id
    assert taken(database, "two") == second.id


def test_a_job_that_is_begun_comes_first(
    files: TrainingFiles, database: Database, job: TrainingJob, tmp_path: Path
) -> None:
    second = job_of(database, added(files, tmp_path))
    with database.write() as session:
        session.get_one(TrainingJob, second.id).status = JobStatus.RUNNING
    found = claims.claim(database, [JobStatus.VALIDATING, JobStatus.RUNNING], "one", now=utcnow(), lasts=MINUTE)
    assert found is not None
    assert found.id == second.id
