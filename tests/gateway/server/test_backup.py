"""A home as one file: saved while a gateway serves, brought back whole or not at all."""

from __future__ import annotations

import io
import json
import resource
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.server.backup import MANIFEST, BackupError, save, schema_of
from postil.gateway.server.restore import bring_back
from postil.gateway.settings import Settings
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import TRIAGE, House, running_house
from tests.support.databases import prepare_home

Members = dict[str, bytes]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a database, one artifact and an admin key."""
    home = tmp_path / "home"
    prepare_home(home)
    (home / "admin.key").write_text("psk-admin\n")
    folder = home / "artifacts" / "incoming" / "x"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    from postil.registry.artifacts.local_store import folder_digest

    digest = folder_digest(folder).removeprefix("sha256:")
    (home / "artifacts" / "sha256").mkdir()
    folder.rename(home / "artifacts" / "sha256" / digest)
    return home


def members(path: Path) -> Members:
    """The files of a backup by name."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def rewritten(path: Path, change: Callable[[Members], None]) -> Path:
    """A copy of a backup with changed files; the manifest stays the first."""
    found = members(path)
    change(found)
    copy = path.with_name("changed.tar")
    with tarfile.open(copy, "w") as tar:
        for name, content in found.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return copy


def manifest_with(**values: Any) -> Callable[[Members], None]:
    """Change the manifest."""

    def change(found: Members) -> None:
        found[MANIFEST] = json.dumps({**json.loads(found[MANIFEST]), **values}).encode()

    return change


async def test_a_gateway_is_saved_as_it_serves_and_its_copy_answers_like_it(
    house: House, clinic: str, tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    await house.publish("healthcare/triage", TRIAGE, seed=1)
    manifest, digest = save(house.runtime.settings, tmp_path / "backup.tar")
    assert stat.S_IMODE((tmp_path / "backup.tar").stat().st_mode) == 0o600
    assert "the admin key" in manifest.secrets
    other = tmp_path / "other" / "home"
    bring_back(Settings(home=other), tmp_path / "backup.tar", digest)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (other, *other.rglob("*"))} == {0o700, 0o600}
    base = house.runtime.settings.base_model
    async with running_house(tmp_path / "other", *engine_at, base_model=base) as copy:
        assert copy.admin_key == house.admin_key
        answer = await copy.ask(clinic)
        assert (answer.status_code, answer.headers["x-postil-release"]) == (200, "healthcare/triage@2")
        audit = (await copy.admin("GET", "/api/v1/audit")).json()
        assert (audit["first_break"], audit["differences"]) == (None, [])


def test_the_admin_key_is_left_out_on_request(home: Path, tmp_path: Path) -> None:
    manifest, _ = save(Settings(home=home), tmp_path / "backup.tar", admin_key=False)
    assert "admin.key" not in members(tmp_path / "backup.tar")
    assert "the admin key" not in manifest.secrets


def test_a_damaged_artifact_is_left_out_and_named(home: Path, tmp_path: Path) -> None:
    (folder,) = (home / "artifacts" / "sha256").iterdir()
    (folder / "adapter_config.json").write_text("other")
    manifest, _ = save(Settings(home=home), tmp_path / "backup.tar")
    assert manifest.damaged == [f"sha256:{folder.name}"]
    bring_back(Settings(home=tmp_path / "new"), tmp_path / "backup.tar")


def test_no_file_is_overwritten_and_none_is_left_behind(home: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_text("mine")
    with pytest.raises(BackupError, match=r"backup\.tar exists already; name a new file"):
        save(Settings(home=home), tmp_path / "backup.tar")
    with pytest.raises(BackupError, match="there is no registry at"):
        save(Settings(home=tmp_path / "none"), tmp_path / "new.tar")
    with pytest.raises(BackupError, match="the backup could not be written"):
        save(Settings(home=home), tmp_path / "nowhere" / "new.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "home"]


def test_a_registry_in_postgresql_is_left_to_its_own_tools(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", database_url="postgresql+psycopg://postil:x@db/postil")  # type: ignore[arg-type]
    with pytest.raises(BackupError, match=r"pg_dump --format=custom.*artifacts"):
        save(settings, tmp_path / "backup.tar")
    with pytest.raises(BackupError, match="pg_restore"):
        bring_back(settings, tmp_path / "backup.tar")


@pytest.mark.parametrize("where", ["home", "artifacts", "database"])
def test_nothing_is_restored_over_what_is_there(home: Path, tmp_path: Path, where: str) -> None:
    save(Settings(home=home), tmp_path / "backup.tar")
    new = tmp_path / "new"
    given: dict[str, Any] = {"home": new}
    if where == "home":
        new.mkdir()
        (new / "mine").touch()
    elif where == "artifacts":
        given["artifacts"] = home / "artifacts"
    else:
        given["database_url"] = f"sqlite:///{home / 'postil.db'}"
    with pytest.raises(BackupError, match="a backup replaces nothing"):
        bring_back(Settings(**given), tmp_path / "backup.tar")
    assert new.exists() == (where == "home")


def test_an_empty_home_and_places_elsewhere_are_filled(home: Path, tmp_path: Path) -> None:
    save(Settings(home=home), tmp_path / "backup.tar")
    new, artifacts, database = tmp_path / "new", tmp_path / "a" / "artifacts", tmp_path / "d" / "x.db"
    new.mkdir()
    given: Any = f"sqlite:///{database}"
    bring_back(Settings(home=new, artifacts=artifacts, database_url=given), tmp_path / "backup.tar")
    assert schema_of(database) == schema_of(home / "postil.db")
    assert len(list((artifacts / "sha256").iterdir())) == 1
    assert [path.name for path in new.iterdir()] == ["admin.key"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (manifest_with(format=2), "was made by a newer postil"),
        (manifest_with(schema="9999", postil="0.9.0"), "was made by postil 0.9.0, whose registry this postil"),
        (lambda found: found.update({MANIFEST: b"{"}), "the manifest .* cannot be read"),
        (lambda found: found.pop(MANIFEST), "is not a backup of postil's"),
        (lambda found: found.update({"../evil": b""}), "holds what its manifest does not name"),
        (lambda found: found.update({"admin.key": b"psk-other\n"}), "admin.key in .* is damaged or missing"),
        (lambda found: found.pop("admin.key"), "admin.key in .* is damaged or missing"),
    ],
)
def test_a_backup_that_is_newer_damaged_or_none_changes_nothing(
    home: Path, tmp_path: Path, change: Callable[[Members], None], says: str
) -> None:
    save(Settings(home=home), tmp_path / "backup.tar")
    changed = rewritten(tmp_path / "backup.tar", change)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BackupError, match=says):
        bring_back(Settings(home=tmp_path / "new"), changed)
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_home_stays_the_folder_that_it_is_as_a_mount_point_has_to(home: Path, tmp_path: Path) -> None:
    save(Settings(home=home), tmp_path / "backup.tar")
    new = tmp_path / "new"
    new.mkdir()
    before = new.stat().st_ino
    bring_back(Settings(home=new), tmp_path / "backup.tar")
    assert new.stat().st_ino == before
    assert sorted(path.name for path in new.iterdir()) == sorted(
        path.name for path in home.iterdir() if path.name in ("admin.key", "artifacts", "postil.db")
    )


def test_what_cannot_be_put_into_place_is_taken_away_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(Settings(home=home), tmp_path / "backup.tar")
    new, artifacts = tmp_path / "new", tmp_path / "elsewhere"
    moved, move = [], shutil.move

    def full(path: Path, place: Path) -> object:
        moved.append(place)
        if len(moved) > 1:
            raise OSError(28, "No space left on device")
        return move(path, place)

    new.mkdir()
    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(BackupError, match="nothing was changed"):
        bring_back(Settings(home=new, artifacts=artifacts), tmp_path / "backup.tar")
    monkeypatch.undo()
    assert (len(moved), list(new.iterdir()), artifacts.exists()) == (2, [], False)
    bring_back(Settings(home=new, artifacts=artifacts), tmp_path / "backup.tar")


def test_nothing_is_written_of_a_file_that_is_larger_than_the_manifest_says(home: Path, tmp_path: Path) -> None:
    save(Settings(home=home), tmp_path / "backup.tar")
    changed = rewritten(tmp_path / "backup.tar", lambda found: found.update({"admin.key": b"x" * (8 << 20)}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, hard))
    try:
        with pytest.raises(BackupError, match=r"admin\.key in .* is damaged or missing"):
            bring_back(Settings(home=tmp_path / "new"), changed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_is_cut_or_another_one_changes_nothing(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "backup.tar"
    _, digest = save(Settings(home=home), path)
    with pytest.raises(BackupError, match="is not the file of that digest"):
        bring_back(Settings(home=tmp_path / "new"), path, "0" * 64)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(BackupError, match=r"could not be restored|damaged or missing"):
        bring_back(Settings(home=tmp_path / "new"), path)
    with pytest.raises(BackupError, match="could not be restored"):
        bring_back(Settings(home=tmp_path / "new"), tmp_path / "none.tar", digest)
    assert not (tmp_path / "new").exists()


def test_an_artifact_whose_folder_is_called_otherwise_is_found(home: Path, tmp_path: Path) -> None:
    save(Settings(home=home), tmp_path / "backup.tar")

    def rename(found: Members) -> None:
        """Give the artifact's folder another digest, in the manifest too."""
        (name,) = (each for each in found if each.startswith("artifacts/"))
        other = f"artifacts/sha256/{'0' * 64}/adapter_config.json"
        found[other] = found.pop(name)
        manifest = json.loads(found[MANIFEST])
        manifest["files"][other] = manifest["files"].pop(name)
        found[MANIFEST] = json.dumps(manifest).encode()

    with pytest.raises(BackupError, match=r"artifacts/sha256/0000.* is damaged"):
        bring_back(Settings(home=tmp_path / "new"), rewritten(tmp_path / "backup.tar", rename))


def test_the_copy_has_what_a_writer_committed_before_and_nothing_of_what_it_has_not(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "postil.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE noted (x INTEGER)")
        writer.execute("INSERT INTO noted VALUES (1)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO noted VALUES (2)")
        save(Settings(home=home), tmp_path / "backup.tar")
        writer.execute("ROLLBACK")
    bring_back(Settings(home=tmp_path / "new"), tmp_path / "backup.tar")
    with closing(sqlite3.connect(tmp_path / "new" / "postil.db")) as copy:
        assert copy.execute("SELECT x FROM noted").fetchall() == [(1,)]
