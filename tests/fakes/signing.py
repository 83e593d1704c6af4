"""Keys to sign with, and signatures that are not quite right."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The files of a private key and of its public one."""

    private: Path
    public: Path

    @property
    def pem(self) -> str:
        """The public key."""
        return self.public.read_text()


def key_pair(folder: Path, name: str, curve: ec.EllipticCurve | None = None) -> KeyPair:
    """A new key on a curve (P-256)."""
    return _written(folder, name, ec.generate_private_key(curve or ec.SECP256R1()))


def rsa_pair(folder: Path, name: str) -> KeyPair:
    """A key of a kind that is not taken."""
    return _written(folder, name, rsa.generate_private_key(65537, 2048))


def _written(folder: Path, name: str, key: Any) -> KeyPair:
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}-public.pem")
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pair.private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    public = key.public_key()
    pair.public.write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pair


def resigned(bundle: bytes, name: str, digest: str) -> bytes:
    """A bundle in which one file's SHA-256 has been written over, under the signature that it had."""
    made = json.loads(bundle)
    statement = json.loads(base64.b64decode(made["dsseEnvelope"]["payload"]))
    for resource in statement["predicate"]["resources"]:
        if resource["name"] == name:
            resource["digest"] = digest
    made["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps(made).encode()
