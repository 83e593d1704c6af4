"""Bad adapters, a killed engine, a restart: after the other tests, because these take the engine down."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from tests.engine.conftest import Served, start
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

GOOD = ROOT / "deploy" / "demo" / "healthcare" / "triage" / "2"
WEIGHTS = "adapter_model.safetensors"


def corrupt(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1000])


def oversized_rank(folder: Path) -> None:
    edit_config(folder, r=1024)


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")


def wrong_base(folder: Path) -> None:
    edit_config(folder, base_model_name_or_path="meta-llama/Llama-3.2-1B")


def wrong_shapes(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({name: np.pad(tensor, ((0, 8), (0, 8))) for name, tensor in tensors.items()}, folder / WEIGHTS)


def not_a_number(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    next(iter(tensors.values()))[0, 0] = np.nan
    save_file(tensors, folder / WEIGHTS)


def edit_config(folder: Path, **values: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (corrupt, "corrupt"),
        (oversized_rank, "the rank is 1024, and this gateway serves up to 16"),
        (pickled, "pickle"),
        (wrong_base, "trained for meta-llama/Llama-3.2-1B"),
        (wrong_shapes, "needs"),
        (not_a_number, "NaN"),
    ],
)
def test_a_bad_adapter_is_refused_in_one_sentence_and_nothing_changes(
    served: Served, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(GOOD, bad)
    spoil(bad)
    before, files = served.postil_json("releases", "healthcare/triage"), artifacts(served)
    done = served.postil("publish", str(bad), "--adapter", "healthcare/triage", "--note", "bad")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert served.postil_json("releases", "healthcare/triage") == before
    assert artifacts(served) == files


def artifacts(served: Served) -> list[str]:
    return sorted(str(path) for path in (served.home / "artifacts").rglob("*"))


@pytest.mark.parametrize("victim", ["api_server", "EngineCore"])
def test_a_killed_vllm_is_a_clean_503_and_comes_back_with_its_adapters(served: Served, victim: str) -> None:
    everybody, restarts = served.everybody(), served.postil_json("status")["engine_restarts"]
    statuses: list[tuple[int, bytes]] = []
    asking = [threading.Thread(target=lambda: statuses.append(long_answer(served))) for _ in range(4)]
    for thread in asking:
        thread.start()
    wait_until(lambda: served.postil_json("status")["requests_in_flight"] == len(asking))
    lines = {one: " ".join(one.cmdline()) for one in everybody}
    next(one for one, line in lines.items() if victim in line and "guard" not in line).kill()
    for thread in asking:
        thread.join(timeout=120)
    assert [status for status, _ in statuses] == [503] * len(asking), statuses
    assert {json.loads(body)["error"]["code"] for _, body in statuses} == {"engine_unavailable"}
    assert httpx.get(f"{served.url}/health/live").status_code == 200
    # Who was cut off may hear of it before the gateway has found out that all of the engine is gone.
    wait_until(lambda: served.postil_json("status")["engine_restarts"] > restarts)
    served.wait_until_ready()
    for key, name in (("demo-clinic", "healthcare/triage"), ("demo-bank", "finance/intent")):
        response = served.ask(key, "my card was stolen and used")
        assert response.status_code == 200
        assert response.headers["x-postil-release"].startswith(name)
    # As many as fit one batch are loaded before it is ready, the others soon after.
    wait_until(lambda: all(row["loaded"] for row in served.postil_json("status")["adapters"]))
    # The processes in which checks run are the gateway's own.
    engines = [one for one in everybody if one.pid != served.process.pid and "plugin_host" not in lines[one]]
    assert alive(engines) == []


def test_a_hung_core_is_found_though_health_is_fine_and_comes_back_with_its_adapters(served: Served) -> None:
    core = next(one for one in served.everybody() if "EngineCore" in " ".join(one.cmdline()))
    restarts = served.postil_json("status")["engine_restarts"]
    core.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    status, body = long_answer(served)
    assert (status, json.loads(body)["error"]["code"]) == (503, "engine_unavailable")
    assert time.monotonic() - began < 120
    again = served.ask("demo-clinic", "Is anybody there?")
    # What is left of what the last start took, and no more than clients wait for.
    assert again.status_code == 503
    assert 5 < int(again.headers["retry-after"]) <= 60
    wait_until(lambda: served.postil_json("status")["engine_restarts"] > restarts)
    served.wait_until_ready()
    assert served.ask("demo-clinic", "I have chest pain").headers["x-postil-release"].startswith("healthcare/triage")
    assert not core.is_running()


def long_answer(served: Served) -> tuple[int, bytes]:
    response = served.ask("demo-clinic", "Tell a long story.", model="base", max_tokens=1500, ignore_eos=True)
    return response.status_code, response.content


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def files(folder: Path) -> dict[Path, int]:
    """Every file with the time of its last change: what a slow first start makes and later ones find."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_ctrl_c_ends_everything_and_a_second_start_prepares_nothing_again_and_remembers(
    served: Served, running: list[Served], capsys: pytest.CaptureFixture[str]
) -> None:
    served.postil_json("rollback", "healthcare/triage", "--reason", "to be remembered")
    everybody = served.everybody()
    assert len(everybody) >= 4
    assert served.stop() == 0
    prepared = files(served.home / "base")
    assert alive(everybody) == []
    running[0] = again = start(served.home)
    with capsys.disabled():
        print(f"\nfirst start {served.seconds_to_ready:.0f} s, second start {again.seconds_to_ready:.0f} s")
    assert again.ask("demo-clinic", "I have chest pain").headers["x-postil-release"] == "healthcare/triage@1"
    assert files(served.home / "base") == prepared


def test_a_killed_gateway_leaves_no_engine_behind(running: list[Served]) -> None:
    everybody = running[0].everybody()
    running[0].process.send_signal(signal.SIGKILL)
    running[0].process.wait()
    psutil.wait_procs(everybody, timeout=60)
    assert alive(everybody) == []
