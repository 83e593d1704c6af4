"""The states of a fine-tuning job, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobStatus(StrEnum):
    """The states, in OpenAI's words."""

    VALIDATING = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    # OpenAI has no word for it: it is shown as running. Its release is being made, so it is too late for a change.
    PUBLISHING = "publishing"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_ENDS = {JobStatus.FAILED, JobStatus.CANCELLED}
MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.VALIDATING: frozenset({JobStatus.QUEUED, *_ENDS}),
    JobStatus.QUEUED: frozenset({JobStatus.VALIDATING, JobStatus.RUNNING, JobStatus.PAUSED, *_ENDS}),
    JobStatus.RUNNING: frozenset({JobStatus.VALIDATING, JobStatus.PUBLISHING, JobStatus.PAUSED, *_ENDS}),
    JobStatus.PUBLISHING: frozenset({JobStatus.VALIDATING, JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED}),
    JobStatus.PAUSED: frozenset({JobStatus.QUEUED, *_ENDS}),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}
OPEN = frozenset(status for status, after in MOVES.items() if after)


def may_become(status: str, after: JobStatus) -> bool:
    """Whether a job of a stored status may become another. A status of a later version may become nothing."""
    return status in MOVES and after in MOVES[JobStatus(status)]
