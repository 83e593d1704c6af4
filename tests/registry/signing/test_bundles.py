"""What a signature says: made with one key, over one artifact, and over nothing else."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.contents import keep_the_adapter
from postil.registry.artifacts.local_store import LocalStore
from postil.registry.errors import SignatureError
from postil.registry.signing.bundles import read_public_key, sign, signed_artifact
from tests.fakes.adapters import write_adapter
from tests.fakes.signing import KeyPair, key_pair, resigned, rsa_pair

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def keys(tmp_path: Path) -> KeyPair:
    """A key to sign with."""
    return key_pair(tmp_path, "ours")


def digest_of(folder: Path, store: Path) -> str:
    """The digest under which a store keeps the adapter."""
    artifacts = LocalStore.open(store)
    with artifacts.incoming() as incoming:
        for path in folder.iterdir():
            (incoming / path.name).write_bytes(path.read_bytes())
        keep_the_adapter(incoming)
        return artifacts.put(incoming)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: str(curve.name))
def test_a_signature_says_which_artifact_it_is_of(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    adapter, keys = write_adapter(tmp_path / "adapter"), key_pair(tmp_path, "ours", curve)
    (adapter / "training.json").write_text("{}")
    (adapter / "README.md").write_text("# left out of releases, and so of the signature")
    before = sorted(path.name for path in adapter.iterdir())
    bundle = sign(adapter, keys.private).decode()
    assert signed_artifact(bundle, read_public_key(keys.pem)) == digest_of(adapter, tmp_path / "store")
    assert sorted(path.name for path in adapter.iterdir()) == before
    assert "README" not in bundle


def test_what_the_signing_tool_signs_is_taken_with_all_that_lies_beside_it(tmp_path: Path, keys: KeyPair) -> None:
    adapter, signature = write_adapter(tmp_path / "adapter"), tmp_path / "by-hand.sig"
    (adapter / "README.md").write_text("# a card")
    command = [sys.executable, "-m", "model_signing", "sign", "key", str(adapter)]
    options = ["--signature", str(signature), "--private_key", str(keys.private)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    found = signed_artifact(signature.read_text(), read_public_key(keys.pem))
    assert found == digest_of(adapter, tmp_path / "store")


def test_the_signing_tool_itself_takes_what_is_signed_here(tmp_path: Path, keys: KeyPair) -> None:
    adapter, signature = write_adapter(tmp_path / "adapter"), tmp_path / "ours.sig"
    signature.write_bytes(sign(adapter, keys.private))
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(adapter)]
    options = ["--signature", str(signature), "--public_key", str(keys.public)]
    subprocess.run([*command, *options], check=True, capture_output=True)


def test_another_key_and_a_changed_list_of_files_are_no_signature(tmp_path: Path, keys: KeyPair) -> None:
    adapter, other = write_adapter(tmp_path / "adapter"), key_pair(tmp_path, "theirs")
    bundle = sign(adapter, keys.private)
    assert signed_artifact(bundle.decode(), read_public_key(other.pem)) is None
    evil = hashlib.sha256(b"other weights").hexdigest()
    assert signed_artifact(resigned(bundle, WEIGHTS, evil).decode(), read_public_key(keys.pem)) is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_signature_in_which_anything_was_changed_never_vouches_for_another_artifact(
    tmp_path: Path, keys: KeyPair, data: st.DataObject
) -> None:
    adapter = tmp_path / "adapter"
    if not adapter.exists():
        write_adapter(adapter)
        (tmp_path / "bundle").write_bytes(sign(adapter, keys.private))
        (tmp_path / "digest").write_text(digest_of(adapter, tmp_path / "store"))
    bundle = (tmp_path / "bundle").read_text()
    at, end = sorted(data.draw(st.tuples(st.integers(0, len(bundle)), st.integers(0, len(bundle)))))
    changed = bundle[:at] + data.draw(st.text(max_size=20)) + bundle[min(end, at + 40) :]
    assert signed_artifact(changed, read_public_key(keys.pem)) in (None, (tmp_path / "digest").read_text())


@pytest.mark.parametrize("junk", ["", "{}", "null", "[]", "x", '{"verificationMaterial": {}}', "[" * 30000])
def test_what_is_no_bundle_is_no_signature(keys: KeyPair, junk: str) -> None:
    assert signed_artifact(junk, read_public_key(keys.pem)) is None


def test_a_key_is_the_same_however_it_is_written(keys: KeyPair) -> None:
    key = read_public_key(keys.pem)
    assert read_public_key("a comment\n" + keys.pem.replace("\n", "\r\n")) == key
    assert key.fingerprint == hashlib.sha256(key.pem.encode()).hexdigest()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: "x", "that is no public key as a PEM"),
        (lambda folder: "", "that is no public key as a PEM"),
        (lambda folder: "y" * 5000, "that is no public key as a PEM"),
        (lambda folder: "-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----", "that is no public key as a PEM"),
        (lambda folder: key_pair(folder, "k").private.read_text(), "that is a private key"),
        (lambda folder: rsa_pair(folder, "k").pem, "on none of the curves"),
        (lambda folder: key_pair(folder, "k", ec.SECP256K1()).pem, "on none of the curves"),
    ],
)
def test_what_is_no_public_key_is_refused(tmp_path: Path, make: object, says: str) -> None:
    assert callable(make)
    text = make(tmp_path)
    with pytest.raises(SignatureError) as caught:
        read_public_key(text)
    assert says in str(caught.value)
    assert "PRIVATE KEY" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_sign_is_refused(tmp_path: Path, keys: KeyPair) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    locked, junk = tmp_path / "locked.pem", tmp_path / "junk.pem"
    made = ["openssl", "ec", "-in", str(keys.private), "-aes128", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(made, check=True, capture_output=True)
    junk.write_text("no key")
    cases = {
        "No such file": (adapter, tmp_path / "none.pem"),
        "Sigstore's keyless way needs its services": (adapter, junk),
        "is no private key as a PEM": (adapter, keys.public),
        "is locked by a password": (adapter, locked),
        "is on none of the curves": (adapter, rsa_pair(tmp_path, "rsa").private),
        "is not a folder, and only a folder can be signed": (adapter / WEIGHTS, keys.private),
    }
    for says, (folder, key) in cases.items():
        with pytest.raises(SignatureError) as caught:
            sign(folder, key)
        assert says in str(caught.value)


def test_a_link_in_the_folder_is_not_signed(tmp_path: Path, keys: KeyPair) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    (adapter / WEIGHTS).rename(tmp_path / WEIGHTS)
    (adapter / WEIGHTS).symlink_to(tmp_path / WEIGHTS)
    with pytest.raises(SignatureError, match="cannot be signed"):
        sign(adapter, keys.private)


def test_who_neither_signs_nor_checks_pays_for_nothing(tmp_path: Path) -> None:
    heavy = ("model_signing", "sigstore", "OpenSSL")
    code = "import sys, postil.gateway.server.app, postil.gateway.cli.main"
    code += f"; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(found.stdout) == []
