"""Signatures of posts, by the example that Standard Webhooks publishes."""

from __future__ import annotations

import pytest

from postil.plugins.signing import posted, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_is_the_published_one() -> None:
    assert signature(BODY, SECRET, MESSAGE, TIMESTAMP) == SIGNED
    headers = posted(BODY, [SECRET], message=MESSAGE, timestamp=TIMESTAMP)
    assert headers["webhook-id"] == MESSAGE
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == SIGNED


def test_each_secret_signs() -> None:
    first, second = posted(BODY, ["another", SECRET], message=MESSAGE, timestamp=1614265330)[
        "webhook-signature"
    ].split()
    assert (first.startswith("v1,"), second) == (True, SIGNED)


def test_without_a_secret_there_is_no_signature() -> None:
    assert "webhook-signature" not in posted(BODY, [], message=MESSAGE, timestamp=1)


@pytest.mark.parametrize("secret", ["whsec_???", "whsec_a", "s3cret"])
def test_any_other_text_is_a_key_as_it_is(secret: str) -> None:
    assert signature(BODY, secret, MESSAGE, 1).startswith("v1,")
