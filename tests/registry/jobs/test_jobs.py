"""Jobs: what they need, whose they are, and how they are cancelled."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Domain, utcnow
from postil.registry.errors import ConflictError, JobError, NotFoundError
from postil.registry.jobs import claims, jobs
from postil.registry.jobs.claims import Claim
from postil.registry.jobs.files import TrainingFiles
from postil.registry.jobs.options import JobOptions
from postil.registry.jobs.states import JobStatus
from postil.registry.names import AdapterName
from postil.registry.releases.freeze import freeze
from tests.registry.jobs.data import added, job_of


def test_a_job_is_made_with_what_was_asked_and_stands_in_the_log(
    files: TrainingFiles, database: Database, tmp_path: Path
) -> None:
    file = added(files, tmp_path)
    job = job_of(database, file, options=JobOptions(n_epochs=2), remarks={"team": "a"}, scope={"legal", "healthcare"})
    found = jobs.get(database, job.id, ["healthcare"])
    assert (found.status, found.options, found.remarks) == ("validating_files", {"n_epochs": 2}, {"team": "a"})
    assert (found.scope, found.seed, found.training_file) == (["healthcare", "legal"], 7, file.id)
    [event] = jobs.list_events(database, job.id, None, after=None, limit=5).data
    assert event.message == f"Created fine-tuning job: {job.id}"
    with database.read() as session:
        last = store.events_after(session, 0)[-1]
    assert (last.action, last.subject) == ("training-job-create", "healthcare/triage")
    assert last.details == {"job": job.id, "files": [file.id]}


def test_a_job_needs_files_of_its_own_domain(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    file, law = added(files, tmp_path), added(files, tmp_path, domain="legal")
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"training_file": "file-nothing"}, "training_file", "there is no file"),
        ({"validation_file": law.id}, "validation_file", "is of legal, and the adapter is of healthcare"),
        ({"validation_file": law.id, "scope": ["healthcare"]}, "validation_file", "there is no file"),
        ({"validation_file": file.id}, "validation_file", "is the training file"),
        ({"name": AdapterName("legal", "clause")}, "training_file", "is of healthcare"),
    ]
    for wanted, param, says in cases:
        with pytest.raises(JobError, match=says) as refused:
            job_of(database, file, **wanted)
        assert refused.value.param == param


def test_a_frozen_domain_and_a_full_queue_take_no_job(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    file = added(files, tmp_path)
    first = job_of(database, file, most_open=1)
    with pytest.raises(ConflictError, match="has 1 fine-tuning jobs that have not ended, and may have 1"):
        job_of(database, file, most_open=1)
    jobs.cancel(database, first.id, None, actor="ann")
    job_of(database, file, most_open=1)
    with database.write() as session:
        session.add(Domain(name="healthcare", default_adapter="triage"))
    freeze(database, "healthcare", reason="an incident", actor="ann")
    with pytest.raises(ConflictError, match="is frozen by ann"):
        job_of(database, file)


def test_a_cancelled_job_stays_cancelled(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    job = job_of(database, added(files, tmp_path))
    with pytest.raises(NotFoundError):
        jobs.cancel(database, job.id, ["legal"], actor="eve")
    done = jobs.cancel(database, job.id, ["healthcare"], actor="ann")
    assert (done.status, done.finished_at is None) == ("cancelled", False)
    with pytest.raises(JobError, match="was cancelled already"):
        jobs.cancel(database, job.id, None, actor="ann")


def test_jobs_are_listed_by_domain_and_by_metadata(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    file = added(files, tmp_path)
    made = [job_of(database, file, remarks={"n": str(n)}).id for n in range(3)]
    page = jobs.list_jobs(database, ["healthcare"], after=None, limit=2)
    assert ([job.id for job in page.data], page.has_more) == ([made[2], made[1]], True)
    assert [job.id for job in jobs.list_jobs(database, None, after=made[1], limit=2).data] == [made[0]]
    found = jobs.list_jobs(database, None, after=None, limit=5, remarks={"n": "1"})
    assert [job.id for job in found.data] == [made[1]]
    assert jobs.list_jobs(database, ["legal"], after=None, limit=5).data == []
    with pytest.raises(JobError, match="to begin after"):
        jobs.list_jobs(database, ["legal"], after=made[0], limit=5)


def test_events_are_listed_newest_first_and_paged(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    job = job_of(database, added(files, tmp_path))
    jobs.cancel(database, job.id, None, actor="ann")
    page = jobs.list_events(database, job.id, None, after=None, limit=1)
    assert ([event.message for event in page.data], page.has_more) == (["The job was cancelled"], True)
    rest = jobs.list_events(database, job.id, None, after=page.data[0].id, limit=5)
    assert [event.level for event in rest.data] == ["info"]
    with pytest.raises(NotFoundError):
        jobs.list_events(database, job.id, ["legal"], after=None, limit=1)


def test_a_job_is_paused_and_resumed(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    job = job_of(database, added(files, tmp_path))
    with pytest.raises(JobError, match="is validating_files; only one that is queued or running can be paused"):
        jobs.pause(database, job.id, None, actor="ann")
    with pytest.raises(JobError, match="only one that is paused can be resumed"):
        jobs.resume(database, job.id, None, actor="ann")
    held = Claim(job.id, "one", timedelta(minutes=1))
    claims.claim(database, [JobStatus.VALIDATING], "one", now=utcnow(), lasts=held.lasts)
    assert claims.move(database, held, JobStatus.QUEUED, "valid")
    assert claims.move(database, held, JobStatus.RUNNING, "started")
    assert jobs.pause(database, job.id, ["healthcare"], actor="ann").status == "paused"
    assert not claims.report(database, held, now=utcnow())
    assert claims.claim(database, [JobStatus.QUEUED, JobStatus.RUNNING], "one", now=utcnow(), lasts=held.lasts) is None
    assert jobs.resume(database, job.id, ["healthcare"], actor="ann").status == "queued"
    with database.read() as session:
        actions = [event.action for event in store.events_after(session, 0)]
    assert actions[-2:] == ["training-job-pause", "training-job-resume"]
