"""What of a running gateway other processes of its user may see."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from postil.gateway.server.own_process import forget_secrets

DUMPABLE = """
import ctypes
from postil.gateway.server.own_process import keep_to_itself
keep_to_itself()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has it")
def test_no_process_of_the_same_user_may_read_the_gateways_memory() -> None:
    said = subprocess.run([sys.executable, "-c", DUMPABLE], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "0"


def test_the_environment_holds_no_secret_once_the_gateway_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("DATABASE_URL", "ADMIN_KEY", "KEY", "ENGINE_API_KEY", "ENGINE_ARGS", "ENGINE_URL")
    for name in secrets:
        monkeypatch.setenv(f"POSTIL_{name}", "secret")
    monkeypatch.setenv("POSTIL_PORT", "1")
    forget_secrets()
    assert not {f"POSTIL_{name}" for name in secrets} & set(os.environ)
    assert os.environ["POSTIL_PORT"] == "1"
