"""What ``make setup`` does before it downloads anything: it finds a Python, and says what the machine lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PREFLIGHT = ROOT / "deploy" / "setup" / "preflight.sh"
FIND = ROOT / "deploy" / "setup" / "find_python.sh"
WITH_AVX2 = "processor : 0\nflags : fpu sse4_2 avx avx2 fma\n"
WITHOUT = "processor : 0\nflags : fpu sse4_2 avx\n"
LARGE, SMALL = "MemTotal:       16384000 kB\n", "MemTotal:        2048000 kB\n"


def program(folder: Path, name: str, text: str) -> Path:
    """A made-up program on the path."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


def preflight(
    folder: Path,
    engine: str = "cpu",
    *,
    cpuinfo: str = WITH_AVX2,
    meminfo: str = LARGE,
    limit: str | None = None,
    free: int = 100_000,
    **environment: str,
) -> tuple[int, str]:
    """Run it on a made-up machine; returns its status and what it says."""
    (folder / "proc").mkdir()
    (folder / "proc" / "cpuinfo").write_text(cpuinfo)
    (folder / "proc" / "meminfo").write_text(meminfo)
    (folder / "cgroup").mkdir()
    if limit is not None:
        (folder / "cgroup" / "memory.max").write_text(f"{limit}\n")
    program(folder / "bin", "df", f"printf 'Filesystem M Used Available\\n/dev/x 1 1 {free} 1%% /\\n'")
    known = {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "PROC": str(folder / "proc"),
        "CGROUP": str(folder / "cgroup"),
        "SYSTEM": "Linux",
        "MACHINE": "x86_64",
        **environment,
    }
    done = subprocess.run(
        ["bash", PREFLIGHT, engine, folder / "venv"], env=known, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_a_machine_that_has_everything_is_told_nothing(tmp_path: Path) -> None:
    assert preflight(tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"cpuinfo": WITHOUT}, "vLLM's CPU build needs AVX2, and this processor has none; use another machine"),
        (
            {"meminfo": SMALL},
            "and the gateway need 4500 MiB of memory, and this machine (or its container) has 2000",
        ),
        ({"limit": str(1 << 30)}, "need 4500 MiB of memory, and this machine (or its container) has 1024"),
        ({"free": 900}, "the installation needs 6000 MiB of disk, and "),
        ({"SYSTEM": "Darwin"}, "vLLM is built for Linux, and this is Darwin"),
        ({"MACHINE": "riscv64"}, "vLLM is built for x86_64 and aarch64, and this is riscv64"),
        ({"engine": "tpu"}, "ENGINE=tpu is not known; use ENGINE=cpu or ENGINE=gpu"),
        ({"engine": "gpu"}, "ENGINE=gpu needs an NVIDIA driver, and nvidia-smi was not found"),
    ],
)
def test_what_a_machine_lacks_is_told_in_one_sentence(tmp_path: Path, given: dict[str, object], says: str) -> None:
    status, said = preflight(tmp_path, **given)  # type: ignore[arg-type]
    assert status == 1
    assert said.startswith("error: ")
    assert says in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("limit", ["max", str(64 << 30)])
def test_a_container_without_a_limit_has_the_machines_memory(tmp_path: Path, limit: str) -> None:
    assert preflight(tmp_path, limit=limit) == (0, "")


def test_another_processor_needs_no_avx2(tmp_path: Path) -> None:
    assert preflight(tmp_path, MACHINE="aarch64", cpuinfo="Features : fp asimd\n") == (0, "")


def test_what_is_installed_already_needs_no_more_disk(tmp_path: Path) -> None:
    program(tmp_path / "venv", "x", "")
    program(tmp_path / "venv" / "bin", "python", "")
    assert preflight(tmp_path, free=10) == (0, "")


def test_vllm_for_gpus_needs_a_compiler(tmp_path: Path) -> None:
    only = tmp_path / "only"
    program(only, "nvidia-smi", "")
    for name in ("awk", "cat", "dirname", "grep", "bash"):
        (only / name).symlink_to(f"/usr/bin/{name}")
    status, said = preflight(tmp_path, "gpu", PATH=f"{tmp_path / 'bin'}:{only}", CC="no-such-compiler")
    assert (status, "no C compiler was found" in said) == (1, True)
    (tmp_path / "proc").rename(tmp_path / "proc1")
    (tmp_path / "cgroup").rename(tmp_path / "cgroup1")
    program(only, "gcc", "")
    assert preflight(tmp_path, "gpu", PATH=f"{tmp_path / 'bin'}:{only}") == (0, "")


def python_of(version: str) -> str:
    """A made-up Python of that version, which runs the one that runs this test."""
    as_another = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 1); exec(sys.argv[1])"
    return f'exec {sys.executable} -c "{as_another}" "$2"'


def find(folder: Path, torch: str = "", **environment: str) -> tuple[int, str]:
    """Find a Python on a made-up machine; returns the status, and the Python or the sentence."""
    script = f'refuse() {{ echo "error: $1" >&2; exit 1; }}; . {FIND}; find_python "{torch}"; echo "$PYTHON"'
    known = {
        "PATH": str(folder / "bin"),
        "HOME": str(folder / "home"),
        "TORCH_INDEX": "unused",
        **environment,
    }
    done = subprocess.run(["/bin/bash", "-euc", script], env=known, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout or done.stderr).strip()


SHIM = "echo 'pyenv: python: command not found' >&2; exit 127"


def test_python_3_11_is_taken_where_it_starts(tmp_path: Path) -> None:
    found = program(tmp_path / "bin", "python3.11", python_of("3.11"))
    program(tmp_path / "bin", "python3.13", python_of("3.13"))
    assert find(tmp_path) == (0, str(found))


def test_a_shim_that_does_not_start_is_passed_over_for_the_newest_that_does(tmp_path: Path) -> None:
    program(tmp_path / "bin", "python3.11", SHIM)
    program(tmp_path / "bin", "python3.14", SHIM)
    program(tmp_path / "bin", "python3.12", python_of("3.12"))
    found = program(tmp_path / "bin", "python3.13", python_of("3.13"))
    assert find(tmp_path) == (0, str(found))


def test_a_python_that_pyenv_keeps_behind_its_shim_is_found(tmp_path: Path) -> None:
    program(tmp_path / "bin", "python3.12", SHIM)
    kept = tmp_path / "home" / ".pyenv" / "versions" / "3.12.1" / "bin"
    kept.mkdir(parents=True)
    found = program(kept, "python3.12", python_of("3.12"))
    assert find(tmp_path) == (0, str(found))
    assert find(tmp_path, PYENV_ROOT=str(tmp_path / "elsewhere"))[0] == 1


def test_a_python_for_which_there_is_no_torch_is_passed_over(tmp_path: Path) -> None:
    """The made-up ones make environments whose pip finds torch, or not."""
    for version, status in (("3.13", 1), ("3.12", 0)):
        text = f"""if [ "$1" = -m ]; then /bin/mkdir -p "$3/bin"
printf '#!/bin/bash\\nexit {status}\\n' >"$3/bin/pip"; /bin/chmod +x "$3/bin/pip"; exit; fi
{python_of(version)}"""
        program(tmp_path / "bin", f"python{version}", text)
    for name in ("mktemp", "rm"):
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    assert find(tmp_path, "torch==2.13.0+cpu") == (0, str(tmp_path / "bin" / "python3.12"))
    (tmp_path / "bin" / "python3.12").unlink()
    status, said = find(tmp_path, "torch==2.13.0+cpu")
    assert status == 1
    assert said.startswith("error: pip finds no torch==2.13.0+cpu for Python 3.13; install Python 3.11, or set TORCH_")


def test_a_python_that_is_named_is_taken_or_refused(tmp_path: Path) -> None:
    program(tmp_path / "bin", "python3.11", python_of("3.11"))
    named = program(tmp_path / "bin", "mine", python_of("3.12"))
    assert find(tmp_path, PYTHON=str(named)) == (0, str(named))
    program(tmp_path / "bin", "mine", python_of("3.10"))
    status, said = find(tmp_path, PYTHON=str(named))
    assert status == 1
    assert said.startswith(f"error: PYTHON={named} does not start as Python 3.11 to 3.14")


def test_no_python_at_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    status, said = find(tmp_path)
    assert status == 1
    assert said.startswith("error: Python 3.11 to 3.14 with the module venv is needed and none starts")


def test_the_makefile_leaves_the_choice_to_setup() -> None:
    done = subprocess.run(
        ["make", "-n", "-B", "setup"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'PYTHON="" VENV=".venv" bash deploy/setup.sh cpu' in done.stdout
