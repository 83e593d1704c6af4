"""What else could stand in front of vLLM: nginx, which does nothing, and LiteLLM's proxy."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from tests.benchmarks.load import GATEWAY_CORE, Target
from tests.support.servers import free_port, running

LITELLM = "litellm[proxy]==1.108.7"
_KEY = "sk-bench-0123456789"
_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream engine {{ server {engine}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
_CONFIG = """
model_list:
  - model_name: base
    litellm_params: {{model: openai/base, api_base: {engine}/v1, api_key: none}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""


@asynccontextmanager
async def nginx(engine: str, folder: Path) -> AsyncIterator[Target | None]:
    """One worker that passes everything on, unread; None where nginx is not installed."""
    found = shutil.which("nginx")
    if found is None:
        yield None
        return
    port = free_port()
    # Its own: as root it gives the folders of its temporary files to another user.
    own = folder / "nginx"
    own.mkdir()
    config = own / "nginx.conf"
    config.write_text(_NGINX.format(folder=own, engine=urlsplit(engine).netloc, port=port))
    url = f"http://127.0.0.1:{port}"
    async with running(["taskset", "-c", GATEWAY_CORE, found, "-c", str(config), "-p", str(own)], f"{url}/") as pid:
        yield Target(url, "none", "base", pid)


@asynccontextmanager
async def litellm(engine: str, folder: Path) -> AsyncIterator[Target | None]:
    """Its proxy with one worker, from an environment of its own; None where that cannot be installed."""
    command = await asyncio.to_thread(_installed)
    if command is None:
        yield None
        return
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(_CONFIG.format(engine=engine, key=_KEY))
    url = f"http://127.0.0.1:{port}"
    started = [
        "taskset",
        "-c",
        GATEWAY_CORE,
        command,
        "--config",
        str(config),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--num_workers",
        "1",
    ]
    async with running(started, f"{url}/health/liveliness", 180) as pid:
        yield Target(url, _KEY, "base", pid)


def _installed() -> str | None:
    place = Path("build/bench/litellm")
    command = place / "bin" / "litellm"
    if not command.exists():
        with Console(stderr=True).status("installing LiteLLM into build/bench, to measure beside it"):
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            made = subprocess.run([place / "bin" / "pip", "install", "-q", LITELLM], capture_output=True)
        if made.returncode:
            Console(stderr=True).print("LiteLLM cannot be installed here; its rows are left out")
            shutil.rmtree(place)
            return None
    return str(command)
