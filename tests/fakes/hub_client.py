"""The hub's client in this process, told to ask a fake hub and no other one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.hub import Hub, serving_hub

REPO = "acme/triage"


@contextmanager
def asked_hub(patch: pytest.MonkeyPatch, scratch: Path) -> Iterator[Hub]:
    """A hub that HF_ENDPOINT names, with the adapter ``acme/triage`` on it; no token is set."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
        patch.delenv(name, raising=False)
    patch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(scratch / "no-token"))
    patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    patch.setenv("NO_PROXY", "127.0.0.1")
    huggingface_hub.close_session()
    with serving_hub() as hub:
        patch.setenv("HF_ENDPOINT", hub.url)
        hub.add(REPO, write_adapter(scratch / "on-the-hub"))
        yield hub
        huggingface_hub.close_session()


def environment(hub: Hub) -> Mapping[str, str]:
    """The same for another process, with the token that the hub knows."""
    return {
        "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HUB_DISABLE_XET": "1", "HF_HOME": "/nonexistent",
        "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
