"""Private authorities are trusted where a user names them, and a strange certificate is told from a dead host."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from postil.plugins import ConfigError
from postil.plugins.trust import distrust, trusted_authorities
from tests.support.certificates import Authority
from tests.support.tls import answering_tls


async def ask(url: str, trust: ssl.SSLContext) -> int:
    async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
        return (await client.get(url)).status_code


@pytest.mark.parametrize("how", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "file", "folder"])
async def test_a_private_authority_is_trusted_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    authority = Authority(tmp_path)
    async with answering_tls(authority.issue("server")) as port:
        with pytest.raises(httpx.ConnectError):
            await ask(f"https://localhost:{port}", trusted_authorities())
        if how == "folder":
            if shutil.which("openssl") is None:
                pytest.skip("openssl makes such folders")
            _as_folder(authority.file, tmp_path / "folder")
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "folder"))
        elif how != "file":
            monkeypatch.setenv(how, str(authority.file))
        trust = trusted_authorities(authority.file if how == "file" else None)
        assert await ask(f"https://localhost:{port}", trust) == 200


def _as_folder(file: Path, folder: Path) -> None:
    folder.mkdir()
    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(file)], check=True, capture_output=True, text=True
    ).stdout.strip()
    shutil.copy(file, folder / f"{hashed}.0")


@pytest.mark.parametrize("named", ["none", "no-pem"])
def test_a_bundle_that_cannot_be_used_is_said_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (tmp_path / "no-pem").write_text("not a certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / named))
    with pytest.raises(ConfigError, match=r"^REQUESTS_CA_BUNDLE=.*PEM"):
        trusted_authorities()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ConfigError, match=r"^POSTIL_CA_FILE=.*PEM"):
        trusted_authorities(tmp_path / named)


async def test_a_strange_certificate_and_another_hosts_have_remedies_of_their_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with answering_tls(authority.issue("server")) as port:
        with pytest.raises(httpx.ConnectError) as strange:
            await ask(f"https://localhost:{port}", trusted_authorities())
        with pytest.raises(httpx.ConnectError) as other:
            await ask(f"https://127.0.0.2:{port}", trusted_authorities(authority.file))
    assert "name the file of its authority with SSL_CERT_FILE" in (distrust(strange.value) or "")
    assert "use a name that the certificate is for" in (distrust(other.value) or "")


async def test_a_host_that_is_not_there_is_no_matter_of_trust() -> None:
    with pytest.raises(httpx.ConnectError) as gone:
        await ask("https://localhost:1", trusted_authorities())
    assert distrust(gone.value) is None
