"""Heads of the log, signed with a key that the gateway does not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from postil.registry.errors import SignatureError
from postil.registry.signing.heads import check_head, sign_head
from tests.fakes.signing import key_pair, rsa_pair

HASH = "ab" * 32


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
def test_a_head_is_held_against_the_key_it_was_signed_with(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    ours, theirs = key_pair(tmp_path, "ours", curve), key_pair(tmp_path, "theirs", curve)
    signature = sign_head(12, HASH, ours.private)
    check_head(12, HASH, signature, ours.pem)
    for sequence, head, key in ((13, HASH, ours), (12, "cd" * 32, ours), (12, HASH, theirs)):
        with pytest.raises(SignatureError, match="was changed, or is not signed with this key"):
            check_head(sequence, head, signature, key.pem)


@pytest.mark.parametrize("signature", ["???", "AAAA", "größe"])
def test_what_is_no_signature_is_refused(tmp_path: Path, signature: str) -> None:
    with pytest.raises(SignatureError, match="was changed, or is not signed"):
        check_head(12, HASH, signature, key_pair(tmp_path, "ours").pem)


@pytest.mark.parametrize("signature", [None, ""])
def test_a_head_without_a_signature_is_refused_where_one_is_asked_for(tmp_path: Path, signature: str | None) -> None:
    with pytest.raises(SignatureError, match="the head is not signed"):
        check_head(12, HASH, signature, key_pair(tmp_path, "ours").pem)


def test_a_key_of_another_kind_signs_nothing(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="on none of the curves"):
        sign_head(12, HASH, rsa_pair(tmp_path, "rsa").private)
