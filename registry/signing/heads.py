"""Signs the head of the log with a key that is kept elsewhere: ECDSA with SHA-256 (ES256 with a P-256 key)."""

from __future__ import annotations

import base64
from pathlib import Path

from postil.registry.errors import SignatureError
from postil.registry.signing.bundles import read_private_key, read_public_key


def sign_head(sequence: int, head: str, private_key: Path) -> str:
    """The signature of a head, in base64. Raises SignatureError."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    key = read_private_key(private_key)
    return base64.b64encode(key.sign(_signed(sequence, head), ECDSA(SHA256()))).decode()


def check_head(sequence: int, head: str, signature: str | None, public_key: str) -> None:
    """Raise SignatureError unless the signature is that head's, made with the key whose public PEM this is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(read_public_key(public_key).pem.encode())
    assert isinstance(key, EllipticCurvePublicKey), "read_public_key takes no other"
    if not signature:
        raise SignatureError("the head is not signed; make one with `postil audit head --sign KEY`")
    try:
        key.verify(base64.b64decode(signature, validate=True), _signed(sequence, head), ECDSA(SHA256()))
    except (ValueError, InvalidSignature) as error:
        raise SignatureError("the head was changed, or is not signed with this key; take a copy that is") from error


def _signed(sequence: int, head: str) -> bytes:
    return f"postil audit head\n{sequence}\n{head}\n".encode()
