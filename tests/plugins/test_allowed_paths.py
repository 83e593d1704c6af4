"""What stands beside something denied is allowed, and nothing above it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postil.plugins.allowed_paths import AllowedPaths


@pytest.fixture
def above(tmp_path: Path) -> Path:
    """A folder with a home, caches with a token, and something else."""
    for name in ("home", "caches/huggingface", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "caches" / "huggingface" / "token").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    return tmp_path


def allowed(above: Path, **given: str) -> AllowedPaths:
    return AllowedPaths([str(above / "home"), str(above / "caches" / "huggingface" / "token")], given)


def test_nothing_that_is_allowed_holds_what_is_denied(above: Path) -> None:
    paths = allowed(above, XDG_CACHE_HOME=str(above / "caches"), POSTIL_PLUGIN_WRITABLE=f"/:{above}:/dev")
    for found in (*paths.readable([str(above), "/"]), *paths.writable(str(above / "home" / "tmp" / "legal"))):
        for denied in (above / "home", above / "caches" / "huggingface" / "token", Path("/dev/shm")):
            assert not denied.is_relative_to(found)
    assert above / "other" in set(paths.readable([str(above)]))
    assert above / "other" in set(paths.writable("tmp"))


def test_only_names_are_read_of_a_folder_that_holds_what_is_denied(above: Path) -> None:
    paths = allowed(above, HOME=str(above))
    assert above in set(paths.listed([str(above)]))
    assert not set(paths.listed([str(above / "home"), str(above / "other")])) & {above / "home", above / "other"}


def test_what_is_asked_for_within_something_denied_is_allowed(above: Path) -> None:
    plugins = above / "home" / "plugins"
    assert plugins in set(allowed(above).readable([str(plugins)]))
    assert Path("/dev/shm") in set(allowed(above, POSTIL_PLUGIN_WRITABLE="/dev/shm").writable("tmp"))


def test_a_cache_of_models_beside_a_token_can_be_written(above: Path) -> None:
    hub = above / "caches" / "huggingface"
    assert {hub / "hub", hub / "xet"} <= set(allowed(above, HF_HOME=str(hub)).writable("tmp"))
    (hub / "hub").rmdir()
    (hub / "hub").write_text("no folder")
    assert hub / "xet" in set(allowed(above, HF_HOME=str(hub)).writable("tmp"))


def test_of_processes_only_the_own_one_is_shown(above: Path) -> None:
    shown = {path for path in allowed(above).readable([]) if path.parent == Path("/proc")}
    assert {path.name for path in shown if path.name.isdecimal()} <= {str(os.getpid())}
