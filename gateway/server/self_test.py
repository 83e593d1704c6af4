"""Checks, before startup, the undocumented library internals that postil uses.

Another library version may lack them: a check here gives one sentence instead of an AttributeError in the first request
that needs them. Modules that are slow to import are read as text.
"""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

from postil.gateway.errors import SettingsError

# The same as in pyproject.toml.
SUPPORTED: Mapping[str, str] = {
    "limits": ">=5.8,<6",
    "litestar": ">=2.25,<3",
    "model-signing": ">=1.1.1,<1.2",
    "typer": ">=0.29,<0.30",
    "uvicorn": ">=0.54,<0.55",
}


@dataclass(frozen=True, slots=True)
class Internal:
    """``attribute`` of ``module``, such as ``Class.method``; ``takes`` are the parameters that postil relies on."""

    library: str
    module: str
    attribute: str
    used_by: str
    takes: tuple[str, ...] = ()


def _names(library: str, module: str, used_by: str, owner: str, *names: str) -> tuple[Internal, ...]:
    """List attributes of one class; methods are given with the required parameters, such as ``on_body(body)``."""
    found = []
    for each in names:
        name, _, takes = each.rstrip(")").partition("(")
        found.append(Internal(library, module, f"{owner}.{name}", used_by, tuple(takes.split(", ")) if takes else ()))
    return tuple(found)


_DOOR = "gateway/server/http_protocol.py"
_SHUTDOWN = "gateway/server/shutdown.py"
_COUNTS = "gateway/tenancy/window_counts.py"
_BUNDLES = "registry/signing/bundles.py"
_HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"
INTERNALS: tuple[Internal, ...] = (
    *_names(
        "uvicorn", _HTTPTOOLS, _DOOR, "HttpToolsProtocol",
        "__init__(config, server_state, app_state, _loop)", "connections", "cycle", "flow", "headers", "loop", "parser",
        "pipeline", "transport", "url", "connection_made(transport)", "connection_lost(exc)", "data_received(data)",
        "on_message_begin", "on_headers_complete", "on_body(body)", "on_message_complete", "on_response_complete",
        "pause_writing", "resume_writing", "send_400_response(msg)", "_unsupported_upgrade_warning",
    ),
    *_names(
        "uvicorn", _HTTPTOOLS, _DOOR, "RequestResponseCycle",
        "disconnected", "keep_alive", "message_event", "response_complete", "response_started",
    ),
    *_names("uvicorn", "uvicorn.protocols.http.flow_control", _DOOR, "FlowControl", "read_paused", "resume_reading"),
    *_names("uvicorn", "uvicorn.server", _DOOR, "ServerState", "connections"),
    *_names(
        "uvicorn", "uvicorn.server", _SHUTDOWN, "Server",
        "handle_exit(sig, frame)", "should_exit", "shutdown(sockets)", "started",
    ),
    *_names(
        "uvicorn", "uvicorn.server", "gateway/server/listening.py", "Server",
        "lifespan", "server_state", "servers", "startup(sockets)",
    ),
    *_names("litestar", "litestar.app", "gateway/server/app.py", "Litestar", "asgi_handler"),
    *_names("limits", "limits.storage.base", _COUNTS, "Storage", "base_exceptions", "incr(key, expiry, amount)"),
    *_names(
        "limits", "limits.storage.base", _COUNTS, "SlidingWindowCounterSupport",
        "acquire_sliding_window_entry(key, limit, expiry, amount)", "get_sliding_window(key, expiry)",
    ),
    *_names("limits", "limits.limits", "gateway/tenancy/quota.py", "RateLimitItem", "key_for"),
    *_names("typer", "typer.core", "gateway/cli/default_command.py", "TyperGroup", "parse_args(ctx, args)"),
)  # fmt: skip
# Takes half a second to import, and is needed only to verify signatures.
UNIMPORTED: tuple[Internal, ...] = (
    *_names("model-signing", "model_signing._signing.sign_sigstore_pb", _BUNDLES, "Signature", "read"),
    *_names("model-signing", "model_signing._signing.sign_ec_key", _BUNDLES, "Verifier", "__init__"),
)


def check_libraries() -> None:
    """Check all internals. Raises SettingsError at the first one that is missing or different."""
    check(INTERNALS, import_module)
    check(UNIMPORTED, outline)


def check(internals: Iterable[Internal], load: Callable[[str], Any]) -> None:
    """Check these internals in the modules that ``load`` returns by name. Raises SettingsError at a mismatch."""
    for internal in internals:
        try:
            fault = missing(internal, load(internal.module))
        except ImportError:
            fault = internal.module
        if fault is not None:
            raise SettingsError(
                f"{internal.library} {_installed(internal.library)} has no {fault}, which {internal.used_by} needs;"
                f" install {internal.library}{SUPPORTED[internal.library]}"
            )


def missing(internal: Internal, module: Any) -> str | None:
    """Return what ``module`` lacks, in words, or None."""
    owner_name, _, name = internal.attribute.rpartition(".")
    owner = getattr(module, owner_name, None)
    if owner is None:
        return f"{internal.module}.{owner_name}"
    if not _has(owner, name):
        return f"{internal.module}.{internal.attribute}"
    if internal.takes:
        known = inspect.signature(getattr(owner, name)).parameters
        for parameter in internal.takes:
            if parameter not in known:
                return f"{internal.module}.{internal.attribute} with the parameter {parameter}"
    return None


def outline(module: str) -> SimpleNamespace:
    """Return the classes in a module's source with their method names, without importing it. Raises ImportError."""
    package, *rest = module.split(".")
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ImportError(module)
    path = Path(found.origin).parent.joinpath(*rest).with_suffix(".py")
    if not path.is_file():
        raise ImportError(module)
    classes = [node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.ClassDef)]
    return SimpleNamespace(**{node.name: type(node.name, (), dict.fromkeys(_methods(node))) for node in classes})


def _methods(node: ast.ClassDef) -> list[str]:
    return [each.name for each in node.body if isinstance(each, ast.FunctionDef)]


def _has(owner: Any, name: str) -> bool:
    """Return whether a class has the attribute, or one of its methods sets it on instances."""
    if hasattr(owner, name):
        return True
    functions = (each for kind in inspect.getmro(owner) for each in vars(kind).values())
    return any(isinstance(each, FunctionType) and _assigns(each, name) for each in functions)


def _assigns(function: FunctionType, name: str) -> bool:
    if name not in function.__code__.co_names:
        return False
    return any(step.opname == "STORE_ATTR" and step.argval == name for step in dis.get_instructions(function))


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "(not installed)"
