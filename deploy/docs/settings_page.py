"""The reference of settings, and of the variables that are read elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from deploy.docs.markdown import bounds, code, first_sentence, kind, page, sentence, table
from postil.gateway.settings import PluginUse, Settings

# Variables that are no settings of the gateway, because another process reads them.
OTHERS: Mapping[str, str] = {
    "POSTIL_URL": "The gateway that commands talk to; unset, `POSTIL_HOST` and `POSTIL_PORT` name it.",
    "POSTIL_KEY": "The key that commands use; unset, that of `POSTIL_ADMIN_KEY`, then `admin.key` in `POSTIL_HOME`.",
    "POSTIL_ADMIN_KEY": "The key that commands use where `POSTIL_KEY` is not set.",
    "POSTIL_TRACEBACK": "Set, a command shows a fault of postil's own with its traceback.",
    "POSTIL_CLIENT_CERTIFICATE": "The certificate with its key (PEM) that commands show where a gateway asks for one.",
    "POSTIL_DISABLE_LORA_KERNELS": "Any value keeps vLLM's own LoRA products on CPUs; the child vLLM reads it.",
    "POSTIL_PLUGIN_*": "Passed on to the processes of installed plugins: the place for their secrets.",
    "POSTIL_PLUGIN_WRITABLE": "Folders that confined plugins may write, with `:` between them.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "The collector that traces go to, as `http://host:4318`; unset, there are none.",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "The same for traces alone, with its path; see [traces](../traces.md).",
    "POSTIL_DATABASE_URL_FILE": "A file that holds what `POSTIL_DATABASE_URL` would; no plugin can read it.",
    "POSTIL_ENGINE_API_KEY_FILE": "A file that holds what `POSTIL_ENGINE_API_KEY` would; no plugin can read it.",
}
_LEAD = (
    "Each setting is an environment variable, or a key of `postil.toml` in the working directory: the variable's name"
    " without `POSTIL_`, in lower case. The variable wins. Lists and objects are JSON in a variable."
)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"POSTIL_{name.upper()}"


def settings_page() -> str:
    """``settings.md``."""
    schema = Settings.model_json_schema()["properties"]
    rows = [_row(name, schema[name]) for name in Settings.model_fields]
    others = table(["variable", "what it does"], [(code(name), text) for name, text in OTHERS.items()])
    keys = ", ".join(code(name) for name in PluginUse.model_fields)
    plugin = f"A `PluginUse` is an object with the keys {keys}: {first_sentence(PluginUse)}"
    heads = ["variable", "type", "default", "bounds", "what it does"]
    return page("Settings", _LEAD, table(heads, rows), plugin, "## Variables that are read elsewhere", others)


def _row(name: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
    word = kind(schema).removesuffix(" or null")
    return code(variable(name)), word, code(_default(name)), bounds(schema), sentence(schema.get("description"))


def _default(name: str) -> str:
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, PurePath | str):
        return str(value)
    return json.dumps(value)
