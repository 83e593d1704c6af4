"""Uploaded files: whose they are, how much may be kept, and what stands in the log."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import utcnow
from postil.registry.errors import JobError, NotFoundError, TextError
from postil.registry.jobs import jobs
from postil.registry.jobs.files import TrainingFiles
from tests.registry.jobs.data import added, chats, job_of, text

OURS = ["healthcare"]


def actions(database: Database) -> list[str]:
    """What stands in the log."""
    with database.read() as session:
        return [event.action for event in store.events_after(session, 0)]


def test_a_file_is_kept_with_its_digest_and_the_log_holds_none_of_its_texts(
    files: TrainingFiles, database: Database, tmp_path: Path
) -> None:
    file = added(files, tmp_path)
    assert (file.rows, file.domain, file.owner, file.filename) == (25, "healthcare", "ann", "triage.jsonl")
    assert file.digest.startswith("sha256:")
    assert file.id.startswith("file-")
    assert files.read(file.id, OURS, actor="ann").read_text() == text(chats())
    assert file.bytes == len(text(chats()))
    assert stat.S_IMODE((tmp_path / "training").stat().st_mode) == 0o700
    files.remove(file.id, OURS, actor="ann")
    assert not files.path(file.id).exists()
    assert actions(database) == ["training-file-add", "training-file-read", "training-file-remove"]
    with database.read() as session:
        assert not any("hurts" in str(event) for event in store.events_after(session, 0))


def test_who_works_on_other_domains_finds_nothing(files: TrainingFiles, tmp_path: Path) -> None:
    file = added(files, tmp_path)
    for scope in (["legal"], []):
        assert files.list(scope, after=None, limit=10).data == []
        for act in (
            lambda: files.get(file.id, scope),  # noqa: B023
            lambda: files.read(file.id, scope, actor="eve"),  # noqa: B023
            lambda: files.remove(file.id, scope, actor="eve"),  # noqa: B023
        ):
            with pytest.raises(NotFoundError, match="there is no file"):
                act()
    assert files.get(file.id, None).id == file.id


def test_lists_are_paged_by_the_last_id(files: TrainingFiles, tmp_path: Path) -> None:
    made = [added(files, tmp_path).id for _ in range(3)]
    first = files.list(OURS, after=None, limit=2)
    assert ([file.id for file in first.data], first.has_more) == ([made[2], made[1]], True)
    rest = files.list(OURS, after=made[1], limit=2)
    assert ([file.id for file in rest.data], rest.has_more) == ([made[0]], False)
    upwards = files.list(None, after=made[0], limit=5, oldest_first=True)
    assert [file.id for file in upwards.data] == made[1:]
    with pytest.raises(JobError) as refused:
        files.list(OURS, after="file-nothing", limit=2)
    assert refused.value.param == "after"


def test_a_file_that_cannot_be_used_leaves_nothing(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="line 1: this is not a JSON object"):
        added(files, tmp_path, "no json")
    with pytest.raises(TextError):
        added(files, tmp_path, filename="a\nb")
    assert (files.list(None, after=None, limit=5).data, actions(database)) == ([], [])


def test_a_domain_keeps_no_more_than_it_may(files: TrainingFiles, tmp_path: Path) -> None:
    large = text(chats()) * 12
    added(files, tmp_path, large)
    with pytest.raises(JobError, match=r"may have 0; delete some, or have an admin raise"):
        added(files, tmp_path, large)
    assert len(list((tmp_path / "training").iterdir())) == 1
    added(files, tmp_path, large, domain="legal")


def test_a_file_without_a_name_gets_one(files: TrainingFiles, tmp_path: Path) -> None:
    assert added(files, tmp_path, filename="").filename == "file.jsonl"
    assert len(added(files, tmp_path, filename="x" * 300).filename) == 200


def test_a_file_is_not_deleted_while_a_job_takes_it(files: TrainingFiles, database: Database, tmp_path: Path) -> None:
    file, other = added(files, tmp_path), added(files, tmp_path)
    job = job_of(database, file, validation_file=other.id)
    for each in (file, other):
        with pytest.raises(JobError, match=f"is used by {job.id}"):
            files.remove(each.id, OURS, actor="ann")
    jobs.cancel(database, job.id, OURS, actor="ann")
    files.remove(file.id, OURS, actor="ann")


def test_a_file_goes_when_its_time_is_over_unless_a_job_takes_it(
    files: TrainingFiles, database: Database, tmp_path: Path
) -> None:
    soon, now = timedelta(hours=1), utcnow()
    unused, used = added(files, tmp_path, kept_for=soon), added(files, tmp_path, kept_for=soon)
    forever = added(files, tmp_path)
    job_of(database, used)
    assert files.remove_expired(now, actor="postil") == 0
    assert files.remove_expired(now + timedelta(hours=2), actor="postil") == 1
    assert not files.path(unused.id).exists()
    assert files.path(used.id).exists()
    assert files.path(forever.id).exists()
    over = added(files, tmp_path, kept_for=timedelta())
    with pytest.raises(NotFoundError):
        files.get(over.id, None)
    with pytest.raises(JobError, match="there is no file"):
        job_of(database, over)


def test_a_content_that_is_gone_is_said_to_be(files: TrainingFiles, tmp_path: Path) -> None:
    file = added(files, tmp_path)
    files.path(file.id).unlink()
    with pytest.raises(NotFoundError, match="not on this gateway's disk"):
        files.read(file.id, None, actor="ann")


def test_what_an_upload_has_left_goes_a_day_later(files: TrainingFiles, tmp_path: Path) -> None:
    added(files, tmp_path)
    left, lost = tmp_path / "training" / ".upload-1", tmp_path / "training" / "file-without-a-row"
    left.touch()
    lost.touch()
    (tmp_path / "training" / ".upload-2").symlink_to("nothing")
    files.remove_expired(utcnow(), actor="postil")
    assert left.exists()
    assert lost.exists()
    (tmp_path / "training" / ".upload-2").unlink()
    files.remove_expired(utcnow() + timedelta(days=2), actor="postil")
    assert [path.name[:5] for path in (tmp_path / "training").iterdir()] == ["file-"]
