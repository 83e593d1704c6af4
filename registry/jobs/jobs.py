"""Fine-tuning jobs: made, listed, cancelled. Making, cancelling and ending one are events of the adapter."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.job_tables import TrainingEvent, TrainingFile, TrainingJob
from postil.registry.db.tables import utcnow
from postil.registry.errors import ConflictError, JobError, NotFoundError
from postil.registry.jobs.lists import Listed, cut, newest_first
from postil.registry.jobs.options import JobOptions
from postil.registry.jobs.states import OPEN, JobStatus, may_become
from postil.registry.names import AdapterName
from postil.registry.releases.freeze import check_not_frozen

CREATE, CANCEL, END = "training-job-create", "training-job-cancel", "training-job-end"
PAUSE, RESUME = "training-job-pause", "training-job-resume"
INFO, WARN, ERROR = "info", "warn", "error"
MESSAGE, METRICS = "message", "metrics"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to make. ``scope`` are the domains that its owner works on (None: all), ``made_with`` names the key."""

    name: AdapterName
    model: str
    training_file: str
    options: JobOptions
    seed: int
    owner: str
    scope: Collection[str] | None = None
    made_with: str = ""
    validation_file: str | None = None
    remarks: Mapping[str, str] = field(default_factory=dict)


def create(database: Database, wanted: JobRequest, *, most_open: int) -> TrainingJob:
    """Make a job. Raises JobError, or ConflictError where its domain is frozen."""
    job = TrainingJob(
        id=f"ftjob-{secrets.token_hex(12)}",
        domain=wanted.name.domain,
        adapter=wanted.name.adapter,
        owner=wanted.owner,
        scope=None if wanted.scope is None else sorted(wanted.scope),
        made_with=wanted.made_with,
        status=JobStatus.VALIDATING,
        model=wanted.model,
        training_file=wanted.training_file,
        validation_file=wanted.validation_file,
        seed=wanted.seed,
        options=wanted.options.model_dump(mode="json", exclude_defaults=True),
        remarks=dict(wanted.remarks),
    )
    with database.write() as session:
        store.lock_for_writing(session)
        check_not_frozen(session, job.domain)
        _check_files(session, job, wanted.scope)
        _check_room(session, job.domain, most_open)
        session.add(job)
        session.flush()
        say(session, job, f"Created fine-tuning job: {job.id}")
        record(session, job, CREATE, wanted.owner, files=[each for each in _files(job) if each])
    return job


def get(database: Database, job_id: str, scope: Collection[str] | None) -> TrainingJob:
    """A job of one of the domains of ``scope`` (None: any). Raises NotFoundError."""
    with database.read() as session:
        return _found(session, job_id, scope)


def list_jobs(
    database: Database,
    scope: Collection[str] | None,
    *,
    after: str | None,
    limit: int,
    remarks: Mapping[str, str] | None = None,
) -> Listed[TrainingJob]:
    """List jobs, the newest first; only those with all of ``remarks``. Raises JobError if there is none ``after``."""
    query = select(TrainingJob).where(_theirs(scope))
    for name, value in (remarks or {}).items():
        query = query.where(col(TrainingJob.remarks)[name].as_string() == value)
    with database.read() as session:
        return newest_first(session, query, TrainingJob, after, limit)


def cancel(database: Database, job_id: str, scope: Collection[str] | None, *, actor: str) -> TrainingJob:
    """Cancel a job; who trains it sees that soon. Raises NotFoundError, or JobError if it has ended."""
    with database.write() as session:
        store.lock_for_writing(session)
        job = _found(session, job_id, scope, locked=True)
        if job.status == JobStatus.PUBLISHING:
            raise JobError(f"{job.id} is trained, and its release is being published; it is not live until promoted")
        if not may_become(job.status, JobStatus.CANCELLED):
            was = "was" if job.status == JobStatus.CANCELLED else "has"
            raise JobError(f"{job.id} {was} {job.status} already; there is nothing to cancel")
        end(session, job, JobStatus.CANCELLED)
        say(session, job, "The job was cancelled", level=WARN)
        record(session, job, CANCEL, actor)
        return job


def pause(database: Database, job_id: str, scope: Collection[str] | None, *, actor: str) -> TrainingJob:
    """Pause a job that waits or runs; what it has learned stays. Raises NotFoundError, or JobError for another."""
    with database.write() as session:
        store.lock_for_writing(session)
        job = _found(session, job_id, scope, locked=True)
        _move(session, job, JobStatus.PAUSED, "only one that is queued or running can be paused")
        job.claimed_by = job.claimed_until = job.estimated_finish = None
        say(session, job, "The job was paused")
        record(session, job, PAUSE, actor)
        return job


def resume(database: Database, job_id: str, scope: Collection[str] | None, *, actor: str) -> TrainingJob:
    """Put a paused job back into the queue. Raises NotFoundError, or JobError if it is not paused."""
    with database.write() as session:
        store.lock_for_writing(session)
        job = _found(session, job_id, scope, locked=True)
        if job.status != JobStatus.PAUSED:
            raise JobError(f"{job.id} is {job.status}; only one that is paused can be resumed")
        _move(session, job, JobStatus.QUEUED, "")
        say(session, job, "The job was resumed; moving job to queued")
        record(session, job, RESUME, actor)
        return job


def list_events(
    database: Database, job_id: str, scope: Collection[str] | None, *, after: int | None, limit: int
) -> Listed[TrainingEvent]:
    """What a job told, the newest first; with ``after``, what it told before that event. Raises NotFoundError."""
    query = select(TrainingEvent).where(TrainingEvent.job == job_id)
    if after is not None:
        query = query.where(col(TrainingEvent.id) < after)
    with database.read() as session:
        _found(session, job_id, scope)
        return cut(session.exec(query.order_by(col(TrainingEvent.id).desc()).limit(limit + 1)).all(), limit)


def say(session: Session, job: TrainingJob, message: str, *, level: str = INFO) -> None:
    """Add an event to a job."""
    session.add(TrainingEvent(job=job.id, level=level, kind=MESSAGE, message=message))


def end(session: Session, job: TrainingJob, status: JobStatus) -> None:
    """Put a job into a state in which it stays; the caller has checked that it may."""
    job.status, job.finished_at = status, utcnow()
    job.claimed_by = job.claimed_until = job.estimated_finish = None
    session.add(job)


def record(session: Session, job: TrainingJob, action: str, actor: str, **details: Any) -> None:
    """Append an event of the adapter to the log."""
    subject = f"{job.domain}/{job.adapter}"
    store.record(session, actor=actor, action=action, subject=subject, reason="", details={"job": job.id, **details})


def _move(session: Session, job: TrainingJob, status: JobStatus, otherwise: str) -> None:
    if not may_become(job.status, status):
        raise JobError(f"{job.id} is {job.status}; {otherwise}")
    job.status = status
    session.add(job)


def _files(job: TrainingJob) -> tuple[str, str | None]:
    return job.training_file, job.validation_file


def _check_files(session: Session, job: TrainingJob, scope: Collection[str] | None) -> None:
    if job.training_file == job.validation_file:
        raise JobError(
            "validation_file is the training file; send another, or none to have it split", "validation_file"
        )
    for param in ("training_file", "validation_file"):
        file_id = getattr(job, param)
        if file_id is None:
            continue
        file = session.get(TrainingFile, file_id)
        expired = file is not None and file.expires_at is not None and file.expires_at <= utcnow()
        if file is None or expired or (scope is not None and file.domain not in scope):
            raise JobError(f"there is no file {file_id[:40]!r} of your domains; upload it with POST /v1/files", param)
        if file.domain != job.domain:
            raise JobError(
                f"{file_id} is of {file.domain}, and the adapter is of {job.domain}; upload it for that domain", param
            )


def _check_room(session: Session, domain: str, most: int) -> None:
    query = select(func.count(col(TrainingJob.id))).where(
        TrainingJob.domain == domain, col(TrainingJob.status).in_(OPEN)
    )
    if (count := session.exec(query).one()) >= most:
        raise ConflictError(
            f"{domain} has {count} fine-tuning jobs that have not ended, and may have {most}"
            " (POSTIL_TRAINING_JOBS_PER_DOMAIN); wait for one, or cancel one"
        )


def _theirs(scope: Collection[str] | None) -> Any:
    return col(TrainingJob.domain).in_(scope) if scope is not None else col(TrainingJob.id).is_not(None)


def _found(session: Session, job_id: str, scope: Collection[str] | None, *, locked: bool = False) -> TrainingJob:
    query = select(TrainingJob).where(col(TrainingJob.id) == job_id, _theirs(scope))
    # Where the database knows such locks, no one else changes it before the end of what is written here.
    job = session.exec(query.with_for_update() if locked else query).one_or_none()
    if job is None:
        raise NotFoundError(f"there is no fine-tuning job {job_id[:40]!r} of your domains; see `postil jobs list`")
    return job
