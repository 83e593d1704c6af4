"""``postil backup`` and ``postil restore``, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import House


async def test_a_gateway_is_saved_and_restored_by_two_commands(house: House, clinic: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    status, out, complaints = await postil(house, "backup", str(file))
    assert status == 0, complaints
    first, second = out.splitlines()
    digest = first.rpartition("sha256:")[2]
    assert first.startswith(f"{file}: 4 files, ")
    assert second == (
        "it holds the admin key, the secrets of webhooks, hashes of keys, texts of reviews:"
        " keep it where only you may read it"
    )
    new = str(tmp_path / "new")
    status, out, complaints = await postil(None, "restore", str(file), "--digest", digest, POSTIL_HOME=new)
    assert (status, out.splitlines()[-1]) == (
        0,
        "start it with `postil serve`, and then look at its log with `postil audit verify`",
    ), complaints
    status, _, complaints = await postil(None, "restore", str(file), POSTIL_HOME=new)
    assert (status, complaints) == (
        1,
        f"error: {new} is not empty, and a backup replaces nothing; name an empty POSTIL_HOME\n",
    )


async def test_programs_get_json(house: House, tmp_path: Path) -> None:
    file, home = tmp_path / "backup.tar", str(house.folder / "home")
    said = json.loads((await in_process(None, "backup", str(file), "--no-admin-key", "--json", POSTIL_HOME=home))[1])
    assert (said["file"], said["bytes"], said["damaged"]) == (str(file), file.stat().st_size, [])
    new = str(tmp_path / "new")
    restored = json.loads((await in_process(None, "restore", str(file), "--json", POSTIL_HOME=new))[1])
    assert (restored["home"], restored["schema"], restored["files"]) == (new, said["schema"], said["files"])


async def test_a_backup_that_is_not_whole_says_so_to_who_looks_at_the_status_alone(
    house: House, clinic: str, tmp_path: Path
) -> None:
    home = house.folder / "home"
    (damaged,) = (home / "artifacts" / "sha256").iterdir()
    next(damaged.iterdir()).write_bytes(b"damaged")
    for more in ((), ("--json",)):
        file = tmp_path / f"backup{len(more)}.tar"
        status, _, complaints = await in_process(None, "backup", str(file), *more, POSTIL_HOME=str(home))
        assert (status, f"damaged on disk: sha256:{damaged.name}" in " ".join(complaints.split())) == (1, True), (
            complaints
        )
    status, _, complaints = await in_process(None, "restore", str(file), POSTIL_HOME=str(tmp_path / "new"))
    assert (status, f"damaged on disk: sha256:{damaged.name}" in " ".join(complaints.split())) == (0, True)


async def test_what_is_no_backup_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no tar")
    status, _, complaints = await in_process(
        None, "restore", str(tmp_path / "notes.txt"), POSTIL_HOME=str(tmp_path / "new")
    )
    assert status == 1
    assert complaints.startswith(f"error: {tmp_path / 'notes.txt'} could not be restored: ")
    status, _, complaints = await in_process(
        None, "backup", str(tmp_path / "b.tar"), POSTIL_HOME=str(tmp_path / "none")
    )
    assert (status, len(complaints.splitlines())) == (1, 1)
