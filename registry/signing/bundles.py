"""Signing adapters and reading signatures, by OpenSSF's ``model-signing``: elliptic-curve keys, without any network.

A signature is a Sigstore bundle over a list of file names with their SHA-256. An artifact's digest is one over the same
list, so a signature is held against the digest, and no file is read for it again. ``model_signing`` takes half a second
and 25 MB to import: only who signs or reads a signature does.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postil.registry.artifacts.contents import KEPT
from postil.registry.artifacts.local_store import listing_digest
from postil.registry.defaults import SIGNATURE
from postil.registry.errors import SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

MAX_SIGNATURE_BYTES = 64 << 10
_MAX_KEY_CHARACTERS = 4096
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_MAKE = "`openssl ecparam -name prime256v1 -genkey -noout` makes one, `openssl ec -pubout` its public key"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with: its PEM, always written the same way, and the SHA-256 of that in hex."""

    fingerprint: str
    pem: str


def read_public_key(text: str) -> PublicKey:
    """Read a PEM with a public key on one of NIST's curves P-256, P-384 and P-521. Raises SignatureError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    if "PRIVATE KEY" in text:
        raise SignatureError(f"that is a private key, which belongs to whoever signs; give its public key ({_MAKE})")
    try:
        if len(text) > _MAX_KEY_CHARACTERS:
            raise ValueError("too long")
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(f"that is no public key as a PEM ({_MAKE})") from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise SignatureError(f"the public key is on none of the curves P-256, P-384, P-521; use one that is ({_MAKE})")
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(hashlib.sha256(pem).hexdigest(), pem.decode())


def sign(folder: Path, private_key: Path) -> bytes:
    """The signature of the adapter in ``folder``, over the files that a release keeps. Raises SignatureError."""
    if not folder.is_dir():
        raise SignatureError(f"{folder} is not a folder, and only a folder can be signed; unpack it first")
    read_private_key(private_key)
    from model_signing import hashing, signing

    class Kept(hashing.Config):
        """Leaves out what is not part of a release, and so not of its signature."""

        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
            return super().hash(model_path, files_to_hash=_kept(folder))

    hashed = Kept().use_file_serialization(hashing_algorithm="sha256")  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as scratch:
        signature = Path(scratch) / SIGNATURE
        try:
            signer = signing.Config().use_elliptic_key_signer(private_key=private_key)  # type: ignore[no-untyped-call]
            signer.set_hashing_config(hashed).sign(folder, signature)
        except (ValueError, TypeError, OSError) as error:
            raise SignatureError(f"{folder} cannot be signed ({error})") from error
        return signature.read_bytes()


def _kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name in KEPT)


def read_private_key(path: Path) -> EllipticCurvePrivateKey:
    """Read a private key on one of NIST's curves from a PEM file. Raises SignatureError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise SignatureError(f"the key {path} cannot be read ({error.strerror}); sign with a file ({_MAKE})") from error
    except TypeError as error:
        raise SignatureError(f"{path} is locked by a password; sign with a key that is not") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(
            f"{path} is no private key as a PEM, and there is no signing without one: Sigstore's keyless way needs"
            f" its services ({_MAKE})"
        ) from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name not in _CURVES:
        raise SignatureError(f"{path} is on none of the curves P-256, P-384 and P-521; use a key that is ({_MAKE})")
    return key


def signed_artifact(bundle: str, key: PublicKey) -> str | None:
    """The digest of the artifact that ``bundle`` is ``key``'s signature of; None where it is not made with that key.

    Other files signed with it, such as its model card, make no difference, as they make none to the digest.
    """
    # The library's own entry would read and hash the files; these two it is made of, and its version is pinned.
    from model_signing._signing import sign_ec_key, sign_sigstore_pb

    with tempfile.TemporaryDirectory() as scratch:
        key_file, bundle_file = Path(scratch) / "key.pem", Path(scratch) / SIGNATURE
        key_file.write_text(key.pem, encoding="utf-8")
        bundle_file.write_text(bundle, encoding="utf-8")
        try:
            manifest = sign_ec_key.Verifier(key_file).verify(sign_sigstore_pb.Signature.read(bundle_file))
            signed = [(item.identifier, item.digest) for item in manifest.resource_descriptors()]
            return listing_digest(_listing(signed))
        except Exception:  # A stranger wrote the bundle: whatever is raised over it, it is no signature.
            return None


def _listing(signed: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, str]]:
    return [(name, digest.digest_hex) for name, digest in signed if name in KEPT and digest.algorithm == "sha256"]
