"""Settings: from the environment, from a file, and refused in one sentence."""

from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from postil.gateway.control.inside_keys import InsideKeys
from postil.gateway.engine.process.launch_args import environment as of_engine
from postil.gateway.errors import SettingsError
from postil.gateway.server.bootstrap import build
from postil.gateway.server.lifecycle import Lifecycle
from postil.gateway.server.workers.updates import Start, without_secrets
from postil.gateway.server.workers.updates import environment as of_worker
from postil.gateway.settings import Settings, read_settings
from postil.gateway.settings.secret_names import MAY_HOLD_SECRETS, SECRETS
from postil.gateway.tenancy.directory import admin_key
from postil.plugins.child_process import environment as of_plugins
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


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://user:s3cret@engine:8000", "set POSTIL_ENGINE_API_KEY instead"),
        ("http://s3cret@engine:8000", "set POSTIL_ENGINE_API_KEY instead"),
        ("engine:8000/s3cret", "has to be http://host:port"),
        ("http://:80/s3cret", "has to be http://host:port"),
        ("ftp://engine/s3cret", "has to be http://host:port"),
        ("http://engine:s3cret", "has to be http://host:port"),
        ("http://[s3cret", "has to be http://host:port"),
    ],
)
def test_an_engines_url_that_cannot_be_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    monkeypatch.setenv("POSTIL_ENGINE_URL", url)
    with pytest.raises(SettingsError, match=says) as told:
        read_settings()
    assert "user" not in str(told.value)
    assert "s3cret" not in f"{told.value} {told.value.__cause__}"


@pytest.mark.parametrize("key", ["", "two words", "line\r\nx-evil: s3cret", "schl\u00fcssel"])
def test_an_engines_key_that_fits_in_no_header_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("POSTIL_ENGINE_API_KEY", key)
    with pytest.raises(SettingsError, match=r"^POSTIL_ENGINE_API_KEY: it has to be one word") as told:
        read_settings()
    assert not key or key not in f"{told.value} {told.value.__cause__}"


def test_a_misspelt_secret_in_the_file_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "postil.toml").write_text('engine_key = "s3cret"\n')
    with pytest.raises(SettingsError, match="POSTIL_ENGINE_KEY: ") as told:
        read_settings()
    assert "s3cret" not in f"{told.value} {told.value.__cause__}"


def test_the_engines_key_is_shown_nowhere_and_goes_to_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTIL_ENGINE_API_KEY", "s3cret")
    monkeypatch.setenv("POSTIL_ENGINE_URL", "http://engine:8000")
    settings = read_settings()
    assert settings.engine_key == "s3cret"
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    children = (of_plugins(os.environ), of_engine(os.environ, settings, cpu=True), of_worker(os.environ))
    assert "s3cret" not in f"{shown} {children}"


def test_the_settings_as_text_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTIL_DATABASE_URL", "postgresql+psycopg://postil:s3cret@db:5432/postil")
    monkeypatch.setenv("POSTIL_ENGINE_API_KEY", "s3cret")
    monkeypatch.setenv("POSTIL_ENGINE_ARGS", "--hf-token s3cret")
    settings = read_settings()
    assert settings.database == "postgresql+psycopg://postil:s3cret@db:5432/postil"
    start = Start(settings, ("", 1), "", "", InsideKeys.of(settings), None)
    assert "s3cret" not in f"{settings!r} {settings} {start}"


@pytest.mark.parametrize(
    "url", ["mysql://postil:s3cret@db/x", "postgresql://postil:s3/cret@db/x", "postgresql://[s3cret", "s3cret"]
)
def test_a_database_that_cannot_be_is_refused_and_its_password_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("POSTIL_DATABASE_URL", url)
    with pytest.raises(SettingsError, match=r"^POSTIL_DATABASE_URL: it has to be sqlite:///file or postgresql") as told:
        read_settings()
    assert "s3" not in f"{told.value} {told.value.__cause__}"


def test_the_one_secret_of_all_webhooks_is_refused_with_the_new_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sentence = "^POSTIL_WEBHOOK_SECRET is no setting any more.*`postil webhooks add NAME URL --domain DOMAIN`$"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "postil.toml").write_text('webhook_secret = "s3cret"')
    with pytest.raises(SettingsError, match=sentence):
        read_settings()
    (tmp_path / "postil.toml").unlink()
    monkeypatch.setenv("POSTIL_WEBHOOK_SECRET", "s3cret")
    with pytest.raises(SettingsError, match=sentence):
        read_settings()


def test_an_engine_of_ones_own_gets_no_key() -> None:
    assert Settings(engine_api_key=SecretStr("s3cret")).engine_key is None


@pytest.mark.parametrize(
    ("old", "new"), [("LEAVE_SECONDS", "SHUTDOWN_DELAY_SECONDS"), ("PLAIN_LORA", "DISABLE_LORA_KERNELS")]
)
def test_a_setting_by_the_name_of_an_earlier_version_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    monkeypatch.setenv(f"POSTIL_{old}", "1")
    with pytest.raises(SettingsError, match=f"POSTIL_{old} is now called POSTIL_{new}; rename it"):
        read_settings()


@pytest.mark.parametrize(
    ("demo", "host", "local"), [(True, "127.0.0.1", True), (True, "0.0.0.0", False), (False, "::1", False)]
)
def test_a_demo_on_loopback_answers_this_machine_only(demo: bool, host: str, local: bool) -> None:
    assert Settings(demo=demo, host=host).http_limits.local_only is local


def test_what_is_no_network_is_no_trusted_proxy() -> None:
    assert Settings(trusted_proxies=("10.0.0.5", "10.1.0.0/16", "::1")).http_limits.trusted[1] == "10.1.0.0/16"
    with pytest.raises(SettingsError, match="an address or a network"):
        read_settings(trusted_proxies=("proxy.example",))


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    monkeypatch.setenv("POSTIL_ENGINE_API_KEY_FILE", str(file))
    with pytest.raises(SettingsError, match=r"POSTIL_ENGINE_API_KEY_FILE='.*' cannot be read \(No such file"):
        read_settings()
    file.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="it is no text"):
        read_settings()
    file.write_text("\n")
    with pytest.raises(SettingsError, match="is empty; put the secret into it"):
        read_settings()
    file.write_text("hush\n")
    found = read_settings().engine_api_key
    assert found is not None
    assert found.get_secret_value() == "hush"
    monkeypatch.setenv("POSTIL_ENGINE_API_KEY", "other")
    with pytest.raises(SettingsError, match="POSTIL_ENGINE_API_KEY and POSTIL_ENGINE_API_KEY_FILE are both set"):
        read_settings()


def test_each_setting_that_is_a_secret_stands_in_the_one_list_and_is_kept_back_from_workers() -> None:
    fields = Settings.model_fields
    assert {name for name, field in fields.items() if "SecretStr" in str(field.annotation)} == SECRETS
    assert {name for name, field in fields.items() if not field.repr} <= SECRETS | MAY_HOLD_SECRETS
    given = Settings(
        database_url=SecretStr("sqlite:///s3cret"), engine_api_key=SecretStr("s3cret"), engine_args="--hf-token s3cret"
    )
    assert b"s3cret" not in pickle.dumps(without_secrets(given))
