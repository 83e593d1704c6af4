"""The names that postil uses of vLLM, held against the source of one: ``python -m tests.support.vllm_names FOLDER``.

FOLDER is the package ``vllm`` of an unpacked wheel, such as one of a version that is not installed here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from postil.gateway.engine.process import launch_args
from postil.gateway.inference.formats import Kind
from postil.gateway.settings import Settings
from tests.support.vllm_source import vllm_folder

# A file, and what has to stand in it: classes with methods or attributes that their methods set, functions, imports.
USED: Sequence[tuple[str, Sequence[str]]] = (
    ("entrypoints/openai/api_server.py", ()),
    ("plugins/__init__.py", ("load_general_plugins",)),
    ("platforms/interface.py", ("Platform.is_cpu", "Platform.get_punica_wrapper")),
    ("lora/request.py", ("LoRARequest.lora_name", "LoRARequest.lora_path")),
    ("lora/worker_manager.py", ("WorkerLoRAManager._load_adapter", "WorkerLoRAManager.lora_config")),
    ("lora/punica_wrapper/punica_cpu.py", ("PunicaWrapperCPU",)),
    ("lora/layers/base.py", ("BaseLayerWithLoRA.set_mapping",)),
    ("lora/layers/logits_processor.py", ("LogitsProcessorWithLoRA", "add_lora_logits")),
    (
        "lora/layers/__init__.py",
        ("ColumnParallelLinearWithLoRA", "ReplicatedLinearWithLoRA", "RowParallelLinearWithLoRA"),
    ),
    (
        "lora/layers/base_linear.py",
        ("punica_wrapper", "base_layer", "lora_a_stacked", "lora_b_stacked", "tp_size", "output_slices"),
    ),
    ("distributed/device_communicators/shm_broadcast.py", ("sched_yield",)),
    (
        "v1/structured_output/__init__.py",
        ("StructuredOutputManager.executor", "StructuredOutputManager._create_grammar"),
    ),
)
# Routes that the gateway asks, and what it reads of their answers as text.
ROUTES = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/v1/models", "/health", "/metrics", "/tokenize")
TEXTS = ("vllm.general_plugins", "already been loaded")
_COUNTERS = ("prompt_tokens", "generation_tokens")


def missing(folder: Path) -> list[str]:
    """Return what a vLLM lacks of that which postil uses, in words."""
    return [*_missing_names(folder), *_missing_flags(folder), *_missing_texts(folder)]


def _missing_names(folder: Path) -> Iterator[str]:
    for name, wanted in USED:
        path = folder / name
        if not path.is_file():
            yield f"{name} is gone"
            continue
        known = set(_names(ast.parse(path.read_text(encoding="utf-8"))))
        yield from (f"{name} has no {each}" for each in wanted if each not in known)


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield what a file defines, imports and uses; members of a class as ``Class.member`` too."""
    for node in ast.walk(tree):
        yield from _names_of(node)
        if isinstance(node, ast.ClassDef):
            for inner in ast.walk(node):
                yield from (f"{node.name}.{name}" for name in _names_of(inner))


def _names_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.alias):
        yield node.asname or node.name


def _missing_flags(folder: Path) -> Iterator[str]:
    """Flags are written out, or made of the fields of a class; variables are the keys of a table."""
    source = {path: _read(path) for path in (folder / "engine" / "arg_utils.py", folder / "envs.py")}
    servers = "\n".join(_read(path) for path in sorted((folder / "entrypoints").rglob("*.py")))
    arguments = f"{source[folder / 'engine' / 'arg_utils.py']}\n{servers}"
    for flag in sorted(flags()):
        field = flag.removeprefix("--").replace("-", "_")
        if f'"{flag}"' not in arguments and not re.search(rf"^\s+{field}\s*:", arguments, re.MULTILINE):
            yield f"no server has the flag {flag}"
    for name in sorted(variables()):
        if f'"{name}"' not in source[folder / "envs.py"]:
            yield f"envs.py has no {name}"


def _missing_texts(folder: Path) -> Iterator[str]:
    rooms = [folder / room for room in ("entrypoints", "plugins", "v1/metrics")]
    whole = "\n".join(_read(path) for room in rooms for path in sorted(room.rglob("*.py")))
    for text in (*ROUTES, *(kind.value for kind in Kind)):
        if f'"{text}"' not in whole:
            yield f"no server has the route {text}"
    # Texts are written in pieces.
    whole = re.sub(r'"\s+f?"', "", whole)
    for text in (*TEXTS, *(f"vllm:{counter}" for counter in _COUNTERS)):
        if text not in whole:
            yield f"nothing says {text!r} any more"


def flags() -> set[str]:
    """The flags that the gateway starts vLLM with."""
    line = launch_args.command(Settings(), Path("model"), Path("socket"), cpu=True)
    line, _ = launch_args.guarded(line, {}, "key")
    return {part.partition("=")[0] for part in line if part.startswith("--")}


def variables() -> set[str]:
    """The variables of vLLM's that the gateway sets."""
    made = launch_args.guarded([], launch_args.environment({}, Settings(), cpu=True), "key")[1]
    return {name for name in made if name.startswith("VLLM_")}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def main() -> None:
    """Print what is missing; exits with 1 if anything is."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else vllm_folder()
    found = missing(folder)
    print("\n".join(found) or f"{folder} has every name that postil uses")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
