"""The states of a job: what follows what, and nothing after an end."""

from __future__ import annotations

import itertools

from postil.registry.jobs.states import MOVES, OPEN, JobStatus, may_become


def test_a_job_goes_through_validation_and_the_queue_to_training_and_an_end() -> None:
    way = [JobStatus.VALIDATING, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PUBLISHING, JobStatus.SUCCEEDED]
    assert all(may_become(one, after) for one, after in itertools.pairwise(way))
    assert not may_become(JobStatus.VALIDATING, JobStatus.RUNNING)
    assert not may_become(JobStatus.QUEUED, JobStatus.SUCCEEDED)
    assert not may_become(JobStatus.RUNNING, JobStatus.QUEUED)


def test_every_job_that_has_not_ended_can_fail_and_be_cancelled_before_its_release_is_made() -> None:
    for status in OPEN:
        assert may_become(status, JobStatus.FAILED)
        assert may_become(status, JobStatus.CANCELLED) == (status != JobStatus.PUBLISHING)


def test_nothing_follows_an_end() -> None:
    ends = set(JobStatus) - OPEN
    assert ends == {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}
    assert not any(may_become(end, after) for end in ends for after in JobStatus)


def test_a_job_that_waits_or_runs_can_be_paused_and_goes_back_into_the_queue() -> None:
    assert [status for status in JobStatus if may_become(status, JobStatus.PAUSED)] == ["queued", "running"]
    assert [status for status in JobStatus if may_become(JobStatus.PAUSED, status)] == ["queued", "failed", "cancelled"]


def test_every_state_stands_in_the_table_and_one_of_a_later_version_leads_nowhere() -> None:
    assert set(MOVES) == set(JobStatus)
    assert not may_become("pausing", JobStatus.CANCELLED)


def test_a_job_whose_data_is_gone_has_it_checked_again() -> None:
    assert [one for one in JobStatus if may_become(one, JobStatus.VALIDATING)] == ["queued", "running", "publishing"]
