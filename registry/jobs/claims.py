"""Who works on a job: it is claimed before, the claim is renewed meanwhile, and it expires if its holder is gone.

Whatever a holder notes, it learns whether the job is still its own: one that was cancelled, or that another gateway
took over after the claim had expired, is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.job_tables import TrainingEvent, TrainingJob
from postil.registry.jobs.jobs import END, ERROR, INFO, MESSAGE, end, record, say
from postil.registry.jobs.states import OPEN, JobStatus, may_become
from postil.registry.text import MAX_CHARACTERS, cut

# In these states somebody may work on a job.
_HELD = OPEN - {JobStatus.PAUSED}


@dataclass(frozen=True, slots=True)
class Told:
    """Something that a job tells."""

    message: str
    level: str = INFO
    kind: str = MESSAGE
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; None where that is not known yet."""

    step: int
    steps: int
    estimated_finish: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of ``holder`` to a job, for so long each time that it is renewed."""

    job: str
    holder: str
    lasts: timedelta


def claim(
    database: Database, statuses: Sequence[JobStatus], holder: str, *, now: datetime, lasts: timedelta
) -> TrainingJob | None:
    """Claim a job in one of these states that nobody holds; what ``holder`` has already, it gets again.

    Those that are begun come first; else the oldest of the domain whose last job ended longest ago.
    """
    query = select(TrainingJob).where(col(TrainingJob.status).in_(statuses), _is_free(holder, now))
    query = query.order_by(*_order()).limit(1)
    with database.read() as session:
        # Usually there is none; this check takes no write lock.
        if session.exec(query).one_or_none() is None:
            return None
    with database.write() as session:
        # One at most, and none where another gateway was faster.
        found = session.exec(query.with_for_update(skip_locked=True, of=TrainingJob)).all()
        for job in found:
            job.claimed_by, job.claimed_until = holder, now + lasts
            session.add(job)
        return next(iter(found), None)


def report(
    database: Database, held: Claim, told: Sequence[Told] = (), progress: Progress | None = None, *, now: datetime
) -> bool:
    """Renew a claim, and note what the job told; False if the job is no longer the holder's."""
    with database.write() as session:
        job = _held(session, held)
        if job is None:
            return False
        job.claimed_until = now + held.lasts
        if progress is not None:
            job.step, job.steps, job.estimated_finish = progress.step, progress.steps, progress.estimated_finish
        session.add(job)
        _tell(session, job, told)
        return True


def move(database: Database, held: Claim, status: JobStatus, message: str) -> bool:
    """Take a job one state further; False if it is no longer the holder's, or may not become that."""
    with database.write() as session:
        job = _held(session, held)
        if job is None or not may_become(job.status, status):
            return False
        job.status = status
        session.add(job)
        say(session, job, message)
        return True


def crashed(database: Database, held: Claim, message: str) -> int | None:
    """Note that a job's process ended too early; returns how often by now, None if it is no longer the holder's."""
    with database.write() as session:
        job = _held(session, held)
        if job is None:
            return None
        job.crashes += 1
        session.add(job)
        say(session, job, message, level="warn")
        return job.crashes


def succeed(database: Database, held: Claim, model: str, metrics: dict[str, float], *, actor: str) -> bool:
    """End a job with the release that came of it; False if it is no longer the holder's."""
    with database.write() as session:
        store.lock_for_writing(session)
        job = _held(session, held)
        if job is None or not may_become(job.status, JobStatus.SUCCEEDED):
            return False
        job.fine_tuned_model, job.metrics, job.step = model, metrics, job.steps
        end(session, job, JobStatus.SUCCEEDED)
        say(session, job, f"New fine-tuned model created: {model}; it is not live")
        record(session, job, END, actor, status=JobStatus.SUCCEEDED.value, release=model)
        return True


def fail(database: Database, held: Claim, message: str, *, code: str, param: str | None = None, actor: str) -> bool:
    """End a job that failed, with a sentence; False if it is no longer the holder's."""
    message = cut(message, MAX_CHARACTERS)
    with database.write() as session:
        store.lock_for_writing(session)
        job = _held(session, held)
        if job is None:
            return False
        job.error = {"code": code, "message": message, "param": param}
        end(session, job, JobStatus.FAILED)
        say(session, job, message, level=ERROR)
        record(session, job, END, actor, status=JobStatus.FAILED.value)
        return True


def release(database: Database, held: Claim) -> None:
    """Give a job back as it is, for whoever asks next."""
    with database.write() as session:
        job = _held(session, held)
        if job is not None:
            job.claimed_by = job.claimed_until = None
            session.add(job)


def _is_free(holder: str, now: datetime) -> ColumnElement[bool]:
    until = col(TrainingJob.claimed_until)
    return or_(until.is_(None), until <= now, col(TrainingJob.claimed_by) == holder)


def _order() -> Sequence[Any]:
    other = aliased(TrainingJob)
    last = select(func.max(other.finished_at)).where(other.domain == TrainingJob.domain).scalar_subquery()
    begun = col(TrainingJob.status).in_([JobStatus.PUBLISHING, JobStatus.RUNNING])
    return begun.desc(), last.asc().nulls_first(), col(TrainingJob.created_at), col(TrainingJob.id)


def _held(session: Session, held: Claim) -> TrainingJob | None:
    job = session.get(TrainingJob, held.job, with_for_update=True)
    return job if job is not None and job.claimed_by == held.holder and job.status in _HELD else None


def _tell(session: Session, job: TrainingJob, told: Sequence[Told]) -> None:
    for each in told:
        session.add(
            TrainingEvent(job=job.id, level=each.level, kind=each.kind, message=each.message, data=dict(each.data))
        )
