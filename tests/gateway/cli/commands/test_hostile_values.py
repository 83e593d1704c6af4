"""Whatever a user's values, files and machine are: one sentence with the remedy, status 1 or 2, and no traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fakes.adapters import write_base
from tests.support.command_line import Ran, run_command

SECRET = "hunter2-s3cret"
POLICY = "output: {labels: [a, b]}\n"
LINE = {"instruction": "Sort.", "input": "x", "output": '{"category": "a"}'}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with some files that are not what they should be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("POSTIL_HOME", str(tmp_path / "home"))
    (tmp_path / "file").write_text("text")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "dir").mkdir()
    rows = [LINE, LINE | {"input": "y", "output": '{"category": "b"}'}]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "more.jsonl").write_text(
        "".join(json.dumps(row | {"input": row["input"] + "2"}) + "\n" for row in rows)
    )
    write_base(tmp_path / "base")
    return tmp_path


def one_sentence(ran: Ran) -> str:
    """The error of a command that ended as it should: in one line, without a stack or a secret."""
    assert ran.status in (1, 2), ran
    assert "Traceback" not in ran.complaints
    assert "fault in postil" not in ran.complaints
    assert SECRET not in ran.complaints + ran.out
    if ran.status == 1:
        lines = [line for line in ran.complaints.splitlines() if line]
        assert len(lines) == 1, ran.complaints
        assert lines[0].startswith("error: "), ran.complaints
    return ran.complaints


TRAIN = ["train", "--data", "data.jsonl", "--validation", "more.jsonl", "--out", "out", "--base", "base"]
EVALUATE = ["evaluate", "dir", "--data", "data.jsonl", "--base", "base"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*TRAIN, "--targets", "nope"], "--targets: 'nope' is no linear module"),
        ([*TRAIN, "--targets", "q_proj, nope"], "--targets: 'nope' is no linear module"),
        ([*TRAIN, "--targets", "lm_head"], "--targets: 'lm_head' is no linear module"),
        ([*TRAIN, "--targets", " , "], "--targets: name at least one module"),
        ([*TRAIN, "--first-layer", "30"], "--first-layer: the last layer"),
        ([*TRAIN, "--first-layer", "-1"], "--first-layer: "),
        ([*TRAIN, "--seed", "-1"], "--seed: "),
        ([*TRAIN, "--seed", str(2**32)], "--seed: "),
        ([*TRAIN, "--dropout", "1"], "--dropout: "),
        ([*TRAIN, "--dropout", "nan"], "--dropout: "),
        ([*TRAIN, "--learning-rate", "inf"], "--learning-rate: "),
        ([*TRAIN, "--epochs", "0"], "--epochs: "),
        ([*TRAIN, "--epochs", "inf"], "--epochs: "),
        ([*TRAIN, "--rank", "0"], "--rank: "),
        ([*TRAIN, "--rank", "100000"], "--rank: "),
        ([*TRAIN, "--alpha", "99999999"], "--alpha: "),
        ([*TRAIN, "--batch-size", "0"], "--batch-size: "),
        ([*TRAIN, "--parts", "0"], "--parts: "),
        ([*TRAIN, "--noise", "2"], "--noise: "),
        ([*TRAIN, "--weight-decay", "-1"], "--weight-decay: "),
        ([*TRAIN, "--warmup", "1.5"], "--warmup: "),
        ([*TRAIN, "--reject", "none"], "drop --reject"),
        ([*TRAIN, "--out", "file/below"], "cannot be made (a file is in the way)"),
        ([*TRAIN, "--out", "file"], "exists"),
        ([*TRAIN, "--out", "file", "--overwrite"], "was not written by postil train"),
        ([*TRAIN, "--out", "/proc/x"], "cannot be made"),
        ([*TRAIN, "--out", "x" * 300], "cannot be made (File name too long)"),
        ([*TRAIN, "--data", "none"], "cannot be read"),
        ([*TRAIN, "--data", "dir"], "cannot be read"),
        ([*TRAIN, "--data", "latin"], "not UTF-8"),
        ([*TRAIN, "--data", "binary"], "not a JSON object"),
        ([*TRAIN, "--data", "file"], "holds no example"),
        ([*TRAIN, "--data", "more.jsonl"], "also occurs in"),
        ([*TRAIN, "--base", "none"], "none"),
        ([*TRAIN, "--base", "dir"], "holds no config.json"),
        ([*TRAIN, "--base", "~nobody-of-that-name/x"], "neither a folder nor"),
        ([*TRAIN, "--device", "tpu"], "--device"),
        ([*EVALUATE], "adapter_config.json is missing"),
        (["evaluate", "none", "--data", "data.jsonl", "--base", "base"], "adapter_config.json is missing"),
        (["evaluate", "file", "--data", "data.jsonl", "--base", "base"], "adapter_config.json is missing"),
        (["policy", "check", "none"], "cannot be read"),
        (["policy", "check", "dir"], "cannot be read"),
        (["policy", "check", "binary"], "the policy is not"),
        (["policy", "check", "file"], "not a mapping"),
        (["plugins", "new", "../up"], "not a package name"),
        (["plugins", "new", "postil-x", "--dir", "file"], "cannot be made"),
        (["audit", "verify", "--head", "none"], "cannot be read"),
        (["audit", "verify", "--head", "binary"], "is no head"),
        (["audit", "verify", "--head", "dir"], "cannot be read"),
        (["publish", "none", "--adapter", "a/b"], "no admin key"),
        (["publish", "dir", "--adapter", "a"], "a"),
        (["publish", "dir", "--adapter", "a/b", "--policy", "none"], "cannot be read"),
        (["publish", "dir", "--adapter", "a/b", "--policy", "binary"], "cannot be read"),
        (["publish", "hf://", "--adapter", "a/b"], ""),
        (["export", "a/b", "target"], "a/b"),
        (["export", "a/b@1", "file/below"], "no admin key"),
        (["promote", "a/b@0"], "a/b@0"),
        (["promote", "a/b@" + "9" * 30], "99"),
        (["rollback", "a/b", "--to", "x"], "--to"),
        (["data", "export", "--adapter", "nothing"], "nothing"),
        (["keys", "add", "ann", "--role", "admin", "--expires", "soon"], "soon"),
        (["log", "--limit", "-1"], "--limit"),
        (["no-such-command"], "No such command"),
    ],
    ids=lambda value: " ".join(value)[:70] if isinstance(value, list) else "",
)
def test_values_that_cannot_be_are_said_in_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    assert says in one_sentence(run_command(monkeypatch, *arguments))
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("POSTIL_URL", "http://localhost:abc", "POSTIL_URL is not a gateway's address"),
        ("POSTIL_URL", "localhost:8080", "POSTIL_URL is not a gateway's address"),
        ("POSTIL_URL", "http://localhost:99999", "POSTIL_URL is not a gateway's address"),
        ("POSTIL_URL", "http://[::1", "POSTIL_URL is not a gateway's address"),
        ("POSTIL_URL", "ftp://localhost", "POSTIL_URL is not a gateway's address"),
        ("POSTIL_URL", "http://", "POSTIL_URL is not a gateway's address"),
        ("POSTIL_URL", f"http://ann:{SECRET}@localhost:1", "no gateway answers at http://localhost:1"),
        ("POSTIL_URL", " http://localhost:1\n", "no gateway answers at http://localhost:1"),
        ("POSTIL_HOST", "bad host", "no gateway answers"),
        ("POSTIL_HOST", "", "POSTIL_HOST is not a gateway's address"),
        ("POSTIL_PORT", "abc", "POSTIL_PORT='abc'"),
        ("POSTIL_KEY", f"{SECRET}\nx", "POSTIL_KEY holds no key"),
        ("POSTIL_KEY", f"{SECRET} x", "POSTIL_KEY holds no key"),
        ("POSTIL_KEY", f"{SECRET}\u00e9", "POSTIL_KEY holds no key"),
        ("POSTIL_KEY", f"{SECRET}\n", "no gateway answers"),
        ("POSTIL_ADMIN_KEY", f"{SECRET}\tx", "POSTIL_ADMIN_KEY holds no key"),
        ("POSTIL_DATABASE_URL", f"postgres://ann:{SECRET}@db/x", "it has to be sqlite:///file or postgresql+psycopg"),
        ("POSTIL_DATABASE_URL", f"postgresql://ann:{SECRET}@db/x", "it has to be sqlite:///file or postgresql+psycopg"),
        ("POSTIL_ENGINE_API_KEY", f"{SECRET} x", "POSTIL_ENGINE_API_KEY: it has to be one word"),
        ("POSTIL_ENGINE_URL", f"http://ann:{SECRET}@engine", "set POSTIL_ENGINE_API_KEY instead"),
        ("POSTIL_ENGINE_API_KEY_FILE", "binary", "it is no text"),
        ("POSTIL_ENGINE_API_KEY_FILE", "dir", "cannot be read"),
        ("POSTIL_TRUSTED_PROXIES", f"10.0.0.1 {SECRET}", "POSTIL_TRUSTED_PROXIES is not JSON"),
        ("POSTIL_LISTENERS", f'[{{"name": "webhook", "secret": "{SECRET}"}}]', "POSTIL_LISTENERS_0_SECRET"),
        ("POSTIL_LISTENERS", f'{{"name": "{SECRET}"}}', "POSTIL_LISTENERS: "),
        ("POSTIL_LISTENERS", "[", "POSTIL_LISTENERS is not JSON"),
        ("POSTIL_CA_FILE", "none", "no gateway answers"),
        ("HTTPS_PROXY", f"nonsense://ann:{SECRET}@proxy", "no gateway answers"),
    ],
)
def test_variables_that_cannot_be_are_said_and_no_secret_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv("POSTIL_KEY", SECRET)
    monkeypatch.setenv("POSTIL_PORT", "1")
    if name == "POSTIL_ADMIN_KEY":
        monkeypatch.delenv("POSTIL_KEY")
    monkeypatch.setenv(name, value)
    assert says in one_sentence(run_command(monkeypatch, "status"))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HTTPS_PROXY", f"nonsense://ann:{SECRET}@proxy", "is not a proxy's URL"),
        ("HTTPS_PROXY", f"http://ann:{SECRET}@localhost:1", "no gateway answers at https://gateway.example"),
        ("HTTPS_PROXY", f"socks5://ann:{SECRET}@localhost:1", "https://gateway.example"),
        ("POSTIL_CA_FILE", "none", "POSTIL_CA_FILE=none cannot be used"),
        ("POSTIL_CA_FILE", "file", "POSTIL_CA_FILE=file cannot be used"),
        ("REQUESTS_CA_BUNDLE", "none", "REQUESTS_CA_BUNDLE=none cannot be used"),
        ("POSTIL_CLIENT_CERTIFICATE", "file", "POSTIL_CLIENT_CERTIFICATE=file cannot be used"),
    ],
)
def test_what_concerns_a_gateway_elsewhere_is_said_for_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv("POSTIL_KEY", SECRET)
    monkeypatch.setenv("POSTIL_URL", "https://gateway.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    monkeypatch.setenv(name, value)
    said = one_sentence(run_command(monkeypatch, "status"))
    assert says in said or (value.startswith("socks5") and "is not a proxy's URL" in said)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f'engine_api_key = "{SECRET}', "postil.toml is not TOML"),
        (f"engine_api_key = {SECRET}", "postil.toml is not TOML (at line 1, column"),
        (b"\xff\xfep\x00", "postil.toml is not UTF-8"),
        (f'tls_certificate = "x"\nengine_api_key = "{SECRET}"', "POSTIL_TLS_CERTIFICATE and POSTIL_TLS_KEY belong"),
        (f'databse_url = "{SECRET}"', "POSTIL_DATABSE_URL: "),
        ("[port]\nx = 1", "POSTIL_PORT: "),
        ("port = 1.5", "POSTIL_PORT=1.5: "),
    ],
)
def test_a_broken_file_of_settings_is_said_and_no_secret_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes, says: str
) -> None:
    (folder / "postil.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert says in one_sentence(run_command(monkeypatch, "status"))


def test_settings_with_a_byte_order_mark_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "postil.toml").write_bytes(b'\xef\xbb\xbfhome = "j\xc3\xbcrgen"\n')
    monkeypatch.delenv("POSTIL_HOME")
    assert "no admin key at j\u00fcrgen/admin.key" in one_sentence(run_command(monkeypatch, "status"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_settings_that_may_not_be_read_are_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "postil.toml").touch(0o000)
    assert "postil.toml cannot be read" in one_sentence(run_command(monkeypatch, "status"))


def test_the_version_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run_command(monkeypatch, "--version")
    assert (ran.status, ran.out.split()[0]) == (0, "postil")


@pytest.mark.parametrize("arguments", [["status"], ["reviews", "list", "--mine"]])
def test_a_user_whom_the_system_does_not_know_runs_commands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    monkeypatch.setenv("POSTIL_KEY", "x")
    monkeypatch.setenv("POSTIL_PORT", "1")
    assert "no gateway answers" in one_sentence(run_command(monkeypatch, *arguments))


@pytest.mark.parametrize("name", ["jürgen", "李\nx-evil: 1", "\udcff"])
def test_a_user_may_have_any_name(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("LOGNAME", name)
    monkeypatch.setenv("POSTIL_KEY", "x")
    monkeypatch.setenv("POSTIL_PORT", "1")
    for arguments in (["status"], ["reviews", "list", "--mine"]):
        assert "no gateway answers" in one_sentence(run_command(monkeypatch, *arguments))
