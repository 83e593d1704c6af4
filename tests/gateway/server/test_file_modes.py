"""What a gateway keeps is its user's alone: texts of patients, weights, hashes of keys."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.server.file_modes import refuse_writable_plugins, secure
from postil.gateway.settings import Settings
from tests.fakes.adapters import write_adapter, write_base
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import TRIAGE, running_house
from tests.support.plain_http import plain_client
from tests.support.servers import free_port

POSTIL = Path(sys.executable).with_name("postil")


@pytest.fixture(autouse=True)
def wide_umask() -> Iterator[None]:
    """A user whose files all may read, and the group may write."""
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that only we may write, and so may hold a home."""
    tmp_path.chmod(0o700)
    return tmp_path


def kept(home: Path) -> dict[str, str]:
    """Everything under a home, with its modes; sockets apart."""
    found = {str(path.relative_to(home)): path.lstat().st_mode for path in [home, *home.rglob("*")]}
    return {name: oct(stat.S_IMODE(mode)) for name, mode in found.items()}


def open_to_others(home: Path) -> dict[str, str]:
    """What of a home others may do something with."""
    return {name: mode for name, mode in kept(home).items() if int(mode, 8) & 0o077}


async def test_nothing_under_home_can_be_read_by_another_user(private: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    port = free_port()
    environment = {name: text for name, text in os.environ.items() if not name.startswith("POSTIL_")} | {
        "POSTIL_HOME": str(private / "home"), "POSTIL_BASE_MODEL": str(write_base(private / "base")),
        "POSTIL_ENGINE_URL": engine_at[1], "POSTIL_PORT": str(port),
    }  # fmt: skip
    process = psutil.Popen([str(POSTIL), "serve"], env=environment)
    try:
        async with asyncio.timeout(60), plain_client(f"http://127.0.0.1:{port}") as client:
            while not await _ready(client):  # noqa: ASYNC110 - nobody over there can set an event
                await asyncio.sleep(0.05)
        environment["POSTIL_URL"] = f"http://127.0.0.1:{port}"
        policy = private / "policy.yaml"
        policy.write_text(TRIAGE)
        source = write_adapter(private / "adapter")
        for command in (
            ("publish", str(source), "--adapter", "healthcare/triage", "--policy", str(policy)),
            ("export", "healthcare/triage@1", str(private / "out")),
        ):
            await _run(environment, *command)
        assert not open_to_others(private / "home")
        assert {"home", "postil.db", "postil.db-wal"} <= {Path(name).name or "home" for name in kept(private / "home")}
        assert any(name.endswith(".safetensors") for name in kept(private / "home"))
        assert not open_to_others(private / "out")
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def _run(environment: dict[str, str], *arguments: str) -> None:
    done = await asyncio.create_subprocess_exec(
        str(POSTIL), *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await done.communicate()
    assert done.returncode == 0, output.decode()


async def test_what_an_earlier_version_left_readable_is_private_after_the_next_start(
    private: Path, engine_at: tuple[FakeVLLM, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running_house(private, *engine_at) as house:
        await house.publish("healthcare/triage")
    home = private / "home"
    (home / "logs").mkdir(exist_ok=True)
    (home / "logs" / "engine.log").touch()
    (home / "of-somebody").touch(0o644)
    for path in [home, *home.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    async with running_house(private, *engine_at):
        assert set(open_to_others(home)) == {"of-somebody"}
    assert "files and folders under" in caplog.text
    assert "the admin key could be read by others" in caplog.text


def settings_of(home: Path, **more: object) -> Settings:
    """Settings with a home."""
    return Settings.model_validate({"home": home, **more})


@pytest.mark.parametrize(("mode", "remedy"), [(0o775, "chmod g-w"), (0o777, "chmod go-w"), (0o707, "chmod o-w")])
@pytest.mark.parametrize("which", ["home", "artifacts"])
def test_a_folder_that_others_may_write_is_refused_with_the_command_that_helps(
    private: Path, mode: int, remedy: str, which: str
) -> None:
    folder = private / which
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(SettingsError, match=f"{remedy} {folder}"):
        secure(settings_of(private / "home", artifacts=private / "artifacts"))


def test_a_folder_above_that_everybody_may_write_is_refused_unless_it_is_sticky(private: Path) -> None:
    above = private / "above"
    above.mkdir()
    above.chmod(0o777)
    with pytest.raises(SettingsError, match=f"chmod o-w {above}"):
        secure(settings_of(above / "home"))
    above.chmod(0o1777)
    secure(settings_of(above / "home"))
    assert stat.S_IMODE((above / "home").stat().st_mode) == 0o700


def test_a_home_behind_a_link_is_looked_at_on_both_ways(private: Path) -> None:
    (private / "real").mkdir(mode=0o700)
    (private / "open").mkdir()
    (private / "open").chmod(0o777)
    (private / "open" / "home").symlink_to(private / "real")
    with pytest.raises(SettingsError, match=f"chmod o-w {private / 'open'}"):
        secure(settings_of(private / "open" / "home"))
    (private / "link").symlink_to(private / "open")
    with pytest.raises(SettingsError, match=f"chmod go-w {private / 'link'}|chmod o-w"):
        secure(settings_of(private / "link" / "home2"))


def test_a_group_may_share_the_folders_where_a_setting_says_so_but_nobody_else(private: Path) -> None:
    home = private / "home"
    home.mkdir()
    home.chmod(0o775)
    secure(settings_of(home, shared_with_group=True))
    assert stat.S_IMODE(home.stat().st_mode) == 0o770
    home.chmod(0o777)
    with pytest.raises(SettingsError, match="chmod o-w"):
        secure(settings_of(home, shared_with_group=True))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_home_of_another_user_is_refused(private: Path) -> None:
    home = private / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 12345, 0)
    with pytest.raises(SettingsError, match=f"belongs to another user .uid 12345.*chown 0 {home}"):
        secure(settings_of(home))


def test_links_in_a_home_are_not_followed(private: Path, caplog: pytest.LogCaptureFixture) -> None:
    outside = private / "outside"
    outside.touch()
    outside.chmod(0o644)
    (private / "home" / "logs").mkdir(parents=True, mode=0o700)
    (private / "home").chmod(0o700)
    (private / "home" / "logs" / "link").symlink_to(outside)
    with caplog.at_level(logging.WARNING):
        secure(settings_of(private / "home"))
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_a_folder_of_plugins_that_others_may_write_is_refused_and_so_is_a_file_in_it(private: Path) -> None:
    folder = private / "plugins"
    folder.mkdir(mode=0o755)
    plugin = folder / "one.py"
    plugin.write_text("")
    plugin.chmod(0o644)
    refuse_writable_plugins(folder, shared=False)
    refuse_writable_plugins(private / "none", shared=False)
    plugin.chmod(0o666)
    with pytest.raises(SettingsError, match=r"others may write .*one\.py"):
        refuse_writable_plugins(folder, shared=False)
    plugin.chmod(0o644)
    folder.chmod(0o777)
    with pytest.raises(SettingsError, match=r"others may write .*plugins"):
        refuse_writable_plugins(folder, shared=False)


def test_a_link_to_a_plugin_that_others_may_write_is_refused(private: Path) -> None:
    folder, elsewhere = private / "plugins", private / "elsewhere"
    for made in (folder, elsewhere):
        made.mkdir(mode=0o755)
    (elsewhere / "one.py").write_text("")
    (folder / "one.py").symlink_to(elsewhere / "one.py")
    elsewhere.chmod(0o777)
    with pytest.raises(SettingsError, match=r"others may write .*elsewhere"):
        refuse_writable_plugins(folder, shared=False)


@pytest.mark.parametrize("name", ["one.so", "one.pyc", "data.json", "package/inner.py", "linked/inner.py"])
def test_whatever_a_plugin_may_load_is_refused_where_others_may_write_it(private: Path, name: str) -> None:
    folder = private / "plugins"
    (folder / "package").mkdir(parents=True)
    (private / "elsewhere").mkdir()
    (folder / "linked").symlink_to(private / "elsewhere")
    (folder / "package" / "round").symlink_to(folder)
    (folder / "lost").symlink_to("lost")
    file = folder / name
    file.write_text("")
    for path in (folder, folder / "package", private / "elsewhere"):
        path.chmod(0o755)
    file.chmod(0o644)
    refuse_writable_plugins(folder, shared=False)
    file.chmod(0o646)
    with pytest.raises(SettingsError, match=rf"others may write .*{file.name}"):
        refuse_writable_plugins(folder, shared=False)


NAMED = {
    "POSTIL_TLS_CERTIFICATE": "tls_certificate",
    "POSTIL_TLS_CLIENT_CA": "tls_client_ca",
    "POSTIL_CA_FILE": "ca_file",
    "POSTIL_ENGINE_API_KEY_FILE": None,
    "POSTIL_DATABASE_URL": "database_url",
    "PGPASSFILE": None,
    "POSTIL_BASE_MODEL": "base_model",
    "postil.toml": None,
}


@pytest.mark.parametrize("name", NAMED)
def test_what_settings_name_is_refused_where_others_may_write_it(
    private: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(private)
    folder = private / "named"
    folder.mkdir(mode=0o700)
    file = folder / "file" if name != "postil.toml" else private / "postil.toml"
    file.write_text("")
    file.chmod(0o600)
    given: dict[str, object] = {"home": private / "home", "tls_key": file, "tls_certificate": file}
    if name == "POSTIL_DATABASE_URL":
        given |= {"database_url": f"sqlite:///{file}"}
    elif name == "PGPASSFILE":
        given |= {"database_url": f"postgresql+psycopg://one:two@host/three?passfile={file}"}
    elif name == "POSTIL_BASE_MODEL":
        given |= {"base_model": str(folder)}
    elif (setting := NAMED[name]) is not None:
        given |= {setting: file}
    else:
        monkeypatch.setenv(name, str(file))
    secure(Settings.model_validate(given))
    writable = folder if name == "POSTIL_DATABASE_URL" else file
    writable.chmod(0o777)
    with pytest.raises(SettingsError, match=f"others may write {writable}, .*chmod o-w"):
        secure(Settings.model_validate(given))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_certificate_of_another_user_is_trusted_as_who_names_it_does(private: Path) -> None:
    file = private / "certificate.pem"
    file.touch()
    file.chmod(0o664)
    os.chown(file, 12345, 0)
    secure(settings_of(private / "home", ca_file=file))
    os.chown(file, 12345, 12345)
    with pytest.raises(SettingsError, match="chmod g-w"):
        secure(settings_of(private / "home", ca_file=file))


def test_a_gateway_does_not_start_with_plugins_that_others_may_write(private: Path) -> None:
    folder = private / "plugins"
    folder.mkdir()
    folder.chmod(0o777)
    environment = {**os.environ, "POSTIL_HOME": str(private / "home"), "POSTIL_PLUGINS_DIR": str(folder)}
    said = subprocess.run([str(POSTIL), "serve"], env=environment, capture_output=True, text=True, timeout=60)
    assert said.returncode != 0
    assert "others may write" in said.stderr
