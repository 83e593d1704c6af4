"""Settings: from the environment, from a file, and refused in one sentence."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.server.bootstrap import build
from postil.gateway.server.lifecycle import Lifecycle
from postil.gateway.settings import Settings, read_settings
from postil.gateway.tenancy.directory import admin_key
from postil.plugins.manager import PluginManager


def test_the_environment_wins_over_the_file_and_what_is_passed_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "postil.toml").write_text('port = 1\nhost = "10.0.0.1"\nmax_loras = 3\n')
    monkeypatch.setenv("POSTIL_PORT", "2")
    settings = read_settings(host="::1", port=None)
    assert (settings.host, settings.port, settings.max_loras) == ("::1", 2, 3)


@pytest.mark.parametrize(
    ("name", "value", "says"), [("POSTIL_PORT", "many", "POSTIL_PORT"), ("POSTIL_MAX_LORAS", "0", "greater than")]
)
def test_a_setting_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=says):
        read_settings()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("::", False),
        ("example.org", False),
    ],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert Settings(host=host).on_loopback is loopback


def test_the_admin_key_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    key = admin_key(settings)
    assert len(key) > 40
    assert admin_key(settings) == key
    assert stat.S_IMODE(settings.admin_key_file.stat().st_mode) == 0o600


async def test_two_gateways_do_not_share_a_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first = build(settings, PluginManager(entry_points=False))
    with pytest.raises(SettingsError, match="another postil serves"):
        build(settings, PluginManager(entry_points=False))
    await Lifecycle(first).stop()
    await Lifecycle(build(settings, PluginManager(entry_points=False))).stop()
