"""vLLM's own worker: what it loads is what the adapter's name stands for, also when it loads again by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from postil.gateway.inference.routing.release import engine_name
from postil.registry.artifacts.local_store import folder_digest
from tests.engine.conftest import Served
from tests.support.past_the_gateway import engine_client

pytestmark = pytest.mark.engine
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def engine(served: Served) -> Iterator[httpx.Client]:
    """The engine itself, past the gateway."""
    with engine_client(served.everybody()) as client:
        yield client


@pytest.fixture
def adapter(engine: httpx.Client) -> Path:
    """The folder of an adapter that is loaded."""
    models = engine.get("/v1/models").json()["data"]
    return next(Path(model["root"]) for model in models if model.get("parent"))


def copied(adapter: Path, folder: Path, note: str) -> str:
    """Copy an adapter with another README, and return the name of that artifact."""
    shutil.copytree(adapter, folder)
    (folder / "README.md").write_text(note)
    return engine_name(folder_digest(folder))


def tamper(folder: Path) -> None:
    """Change the last bytes of the weights: the file still has the form that it should have."""
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-4096:] = bytes(4096)
    (folder / WEIGHTS).write_bytes(weights)


def load(engine: httpx.Client, name: str, folder: Path) -> httpx.Response:
    return engine.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": str(folder)})


def answer(engine: httpx.Client, name: str) -> str:
    body = {"model": name, "prompt": "The patient asks whether", "temperature": 0, "max_tokens": 8, "logprobs": 1}
    response = engine.post("/v1/completions", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0])


def test_weights_that_were_tampered_with_on_disk_are_refused_by_the_engine_itself(
    engine: httpx.Client, adapter: Path, tmp_path: Path
) -> None:
    name = copied(adapter, tmp_path / "copy", "tampered")
    tamper(tmp_path / "copy")
    refused = load(engine, name, tmp_path / "copy")
    assert refused.status_code >= 400
    assert "not those that were published" in refused.text
    assert engine.get("/health").status_code == 200


def test_what_vllm_loads_again_by_itself_is_what_was_verified_though_the_files_were_changed_meanwhile(
    served: Served, engine: httpx.Client, adapter: Path, tmp_path: Path
) -> None:
    lines = [process.cmdline() for process in served.everybody()]
    places = next(int(line[line.index("--max-cpu-loras") + 1]) for line in lines if "--max-cpu-loras" in line)
    name = copied(adapter, tmp_path / "first", "first")
    others = [copied(adapter, tmp_path / f"other{at}", f"other {at}") for at in range(places)]
    try:
        assert load(engine, name, tmp_path / "first").status_code == 200
        before = answer(engine, name)
        for at, other in enumerate(others):  # Each takes a place: the first one is dropped.
            assert load(engine, other, tmp_path / f"other{at}").status_code == 200
        tamper(tmp_path / "first")
        assert answer(engine, name) == before
    finally:
        for each in (name, *others):
            engine.post("/v1/unload_lora_adapter", json={"lora_name": each})
