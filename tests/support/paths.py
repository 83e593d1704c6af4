"""Where things are, whatever folder a test is in."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "deploy" / "demo"
EXAMPLE_PLUGIN = ROOT / "plugins" / "examples" / "postil-legal-citations"
FAULTY_PLUGINS = ROOT / "tests" / "gateway" / "plugin_host" / "folder"
