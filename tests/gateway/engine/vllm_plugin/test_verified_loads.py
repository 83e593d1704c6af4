"""The loading of vLLM's worker, by a manager that reads a folder as vLLM's does. With vLLM's own: tests/engine."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO

import pytest

from postil.gateway.engine.vllm_plugin import verified_loads
from postil.gateway.engine.vllm_plugin.verified_loads import (
    NoRoomError,
    NotAsPublishedError,
    VerifiedCopies,
    verified_copy,
    verify_loads,
)
from postil.gateway.inference.routing.release import engine_name
from postil.registry.artifacts.local_store import folder_digest


@dataclass
class Request:
    """As much of vLLM's LoRARequest as counts."""

    lora_name: str
    lora_path: str


@dataclass
class Manager:
    """Reads both files, as vLLM's worker does."""

    lora_config: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(max_cpu_loras=2))
    before_reading: Callable[[], None] = lambda: None

    def _load_adapter(self, request: Request) -> tuple[bytes, bytes, str]:
        self.before_reading()
        folder = Path(request.lora_path)
        config, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
        return config.read_bytes(), weights.read_bytes(), request.lora_path


@pytest.fixture
def manager() -> Iterator[Manager]:
    kind = type("WorkerLoRAManager", (Manager,), {"_load_adapter": Manager._load_adapter})
    module = ModuleType("worker_manager")
    module.WorkerLoRAManager = kind  # type: ignore[attr-defined]
    verify_loads(module)
    verify_loads(module)  # vLLM calls plugins more than once
    made = kind()
    yield made
    if hasattr(made, "postil_copies"):
        made.postil_copies.close()


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return made(tmp_path / "artifact", b"weights")


def made(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes(b"{}")
    (folder / "adapter_model.safetensors").write_bytes(weights)
    (folder / "README.md").write_bytes(b"card")
    return folder


def request_for(folder: Path) -> Request:
    return Request(engine_name(folder_digest(folder)), str(folder))


def test_an_adapter_is_loaded_from_a_private_copy_that_is_gone_afterwards(manager: Manager, artifact: Path) -> None:
    config, weights, path = manager._load_adapter(request_for(artifact))
    assert (config, weights) == (b"{}", b"weights")
    assert path != str(artifact)
    assert not Path(path).exists()


def test_files_that_were_changed_on_disk_are_not_loaded(manager: Manager, artifact: Path) -> None:
    request = request_for(artifact)
    (artifact / "adapter_model.safetensors").write_bytes(b"tampered")
    with pytest.raises(NotAsPublishedError, match="publish it again"):
        manager._load_adapter(request)


@pytest.mark.parametrize("change", ["added", "removed", "a pipe", "a folder"])
def test_a_folder_with_other_files_than_were_published_is_not_loaded(
    manager: Manager, artifact: Path, change: str
) -> None:
    request = request_for(artifact)
    if change == "added":
        (artifact / "adapter_model.bin").write_bytes(b"pickle")
    elif change == "removed":
        (artifact / "README.md").unlink()
    elif change == "a pipe":
        os.mkfifo(artifact / "pipe")
    else:
        (artifact / "folder").mkdir()
    with pytest.raises(NotAsPublishedError):
        manager._load_adapter(request)


def test_vllms_own_reload_after_an_eviction_gets_what_was_verified_though_the_files_were_changed_since(
    manager: Manager, artifact: Path
) -> None:
    request = request_for(artifact)
    manager._load_adapter(request)
    (artifact / "adapter_model.safetensors").write_bytes(b"tampered")
    assert manager._load_adapter(request)[1] == b"weights"
    shutil.rmtree(artifact)
    assert manager._load_adapter(request)[1] == b"weights"


def test_files_that_change_between_the_check_and_the_load_are_not_what_is_loaded(
    manager: Manager, artifact: Path
) -> None:
    def tamper() -> None:
        (artifact / "adapter_model.safetensors").write_bytes(b"tampered")

    manager.before_reading = tamper
    assert manager._load_adapter(request_for(artifact))[1] == b"weights"


def test_only_the_adapters_that_were_used_last_keep_their_copies(tmp_path: Path) -> None:
    with closing(VerifiedCopies(2)) as copies:
        requests = [request_for(made(tmp_path / str(number), b"%d" % number)) for number in range(3)]
        for request in requests:
            with copies.folder(request.lora_name, request.lora_path):
                pass
        for number, request in enumerate(requests):
            Path(request.lora_path, "adapter_model.safetensors").write_bytes(b"tampered %d" % number)
        for request in requests[1:]:
            with copies.folder(request.lora_name, request.lora_path):
                pass
        with pytest.raises(NotAsPublishedError), copies.folder(requests[0].lora_name, requests[0].lora_path):
            pass


def used(copies: VerifiedCopies, request: Request) -> bytes:
    with copies.folder(request.lora_name, request.lora_path) as folder:
        return Path(folder, "adapter_model.safetensors").read_bytes()


def kept_bytes() -> int:
    """What this process holds in files that have no name any more."""
    held = (Path("/proc/self/fd", each) for each in os.listdir("/proc/self/fd"))
    return sum(each.stat().st_size for each in held if each.exists() and "deleted" in str(each.readlink()))


def test_copies_hold_no_more_bytes_than_they_may_and_the_one_in_use_is_there(tmp_path: Path) -> None:
    before = kept_bytes()
    with closing(VerifiedCopies(most=100, most_bytes=250_000)) as copies:
        for number in range(8):
            weights = bytes([number]) * 100_000
            assert used(copies, request_for(made(tmp_path / str(number), weights))) == weights
            assert kept_bytes() - before <= 250_000
        large = bytes(300_000)
        assert used(copies, request_for(made(tmp_path / "large", large))) == large
        assert kept_bytes() - before <= 300_100


def full() -> IO[bytes]:
    """A file on a disk that is full."""
    return open("/dev/full", "w+b", buffering=0)


def test_where_the_disk_is_full_older_copies_make_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with closing(VerifiedCopies(8)) as copies:
        first, second = (request_for(made(tmp_path / each, each.encode())) for each in ("first", "second"))
        used(copies, first)
        before, real = kept_bytes(), tempfile.TemporaryFile
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full() if kept_bytes() >= before else real())
        assert used(copies, second) == b"second"
        assert used(copies, first) == b"first"


def test_where_no_disk_has_room_the_adapter_is_loaded_by_way_of_memory_and_nothing_is_kept(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, artifact: Path
) -> None:
    before = kept_bytes()
    real = tempfile.mkdtemp

    def no_room(suffix: str | None, prefix: str, where: str | None) -> str:
        if where is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(suffix, prefix, where)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(tempfile, "mkdtemp", no_room)
    assert manager._load_adapter(request_for(artifact))[1] == b"weights"
    assert kept_bytes() == before
    (artifact / "adapter_model.safetensors").write_bytes(b"tampered")
    with pytest.raises(NotAsPublishedError):
        manager._load_adapter(request_for_name(artifact, b"weights"))


def request_for_name(artifact: Path, weights: bytes) -> Request:
    """A request for what the folder held when its weights were these."""
    return Request(request_for(made(artifact.with_name("was"), weights)).lora_name, str(artifact))


def test_where_nothing_has_room_it_is_said_what_to_do_and_nothing_stays_open(
    monkeypatch: pytest.MonkeyPatch, manager: Manager, artifact: Path
) -> None:
    def none(_: str) -> int:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(os, "memfd_create", none)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NoRoomError, match="set TMPDIR to a folder with more"):
        manager._load_adapter(request_for(artifact))
    assert len(os.listdir("/proc/self/fd")) <= before


def test_another_error_of_the_disk_is_not_taken_for_a_full_one(
    monkeypatch: pytest.MonkeyPatch, manager: Manager, artifact: Path
) -> None:
    def broken() -> IO[bytes]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(tempfile, "TemporaryFile", broken)
    with pytest.raises(OSError, match="Input/output error"):
        manager._load_adapter(request_for(artifact))


def test_what_a_refused_folder_opened_is_closed_again(artifact: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotAsPublishedError):
        verified_copy("postil-" + "0" * 40, str(artifact))
    assert len(os.listdir("/proc/self/fd")) <= before


def test_an_adapter_of_somebody_elses_is_loaded_as_vllm_does(manager: Manager, artifact: Path) -> None:
    assert manager._load_adapter(Request("theirs", str(artifact)))[2] == str(artifact)


def test_a_worker_that_loads_in_another_way_is_told_and_not_changed() -> None:
    with pytest.raises(AttributeError):
        verify_loads(ModuleType("worker_manager"))
    assert verified_loads.MANAGER == "vllm.lora.worker_manager"


def test_a_configuration_with_a_byte_order_mark_is_loaded_without_it(tmp_path: Path) -> None:
    folder = made(tmp_path / "marked", b"\xef\xbb\xbfweights")
    (folder / "adapter_config.json").write_bytes(b'\xef\xbb\xbf{"r": 8}')
    request = request_for(folder)
    with closing(VerifiedCopies(8)) as copies:
        for _ in range(2):
            with copies.folder(request.lora_name, request.lora_path) as copied:
                assert json.loads(Path(copied, "adapter_config.json").read_text(encoding="utf-8")) == {"r": 8}
                assert Path(copied, "adapter_model.safetensors").read_bytes() == b"\xef\xbb\xbfweights"
