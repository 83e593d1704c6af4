"""Attacks of a publisher on other domains, on the gateway's threads, and on its disk."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import aiohttp
import yaml

from tests.chaos.hostile.attacker import Attack, Attacker
from tests.chaos.hostile.grammars import _EBNF, _doubling, _strings
from tests.support.paths import ROOT

_GOOD = ROOT / "deploy" / "demo" / "healthcare" / "triage" / "1"
_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"


def good_files(folder: Path = _GOOD) -> dict[str, bytes]:
    """An adapter that can be served."""
    return {
        file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".json", ".safetensors")
    }


_FIXED = {"name": "fixed_answer", "config": {"content": "no"}}
# Policies that harm when they are published or served, by name of the attack.
_POLICIES: Mapping[str, tuple[int, object]] = {
    "a policy of 60 long strings": (1, {"output": {"json_schema": _strings()}}),
    "a policy that doubles 40 deep": (1, {"output": {"json_schema": _doubling()}}),
    "a policy that refers to itself": (1, {"output": {"json_schema": {"$ref": "#"}}}),
    "a policy of EBNF": (1, {"output": {"grammar": _EBNF}}),
    "a policy of 5,000 labels": (1, {"output": {"labels": [f"label {number}" for number in range(5000)]}}),
    "a validator that doubles 40 deep": (6, {
        "validators": [{"name": "json_schema", "config": {"schema": _doubling()}}],
    }),
    "a fallback into another domain": (7, {
        "validators": [{"name": "labels"}], "output": {"labels": ["a", "b"]},
        "fallback": [{"name": "other_release", "config": {"release": "legal/clause@1"}}, _FIXED],
    }),
    "a webhook to the metadata": (14, {"review": {"webhook": "http://169.254.169.254/latest/meta-data/"}}),
    "a webhook to loopback": (14, {"review": {"webhook": "http://127.0.0.1:1/"}}),
    "sampling of nonsense": (20, {"sampling": {"top_p": 2, "temperature": "hot", "stop": 5, "max_tokens": 10**9}}),
    "a prompt of a megabyte": (21, {"system_prompt": "x" * 1_000_000}),
    "a blocklist of patterns": (5, {"validators": [{"name": "blocklist", "config": {"phrases": ["(a+)+$" * 500]}}]}),
    "a note of escapes": (16, {"system_prompt": "\x1b]52;c;cm0=\x07"}),
}  # fmt: skip


async def _policy(policy: object, attacker: Attacker) -> int:
    return await attacker.publish(yaml.safe_dump(policy), good_files(), note="hostile")


async def _yaml_bomb(attacker: Attacker) -> int:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 9)]
    return await attacker.publish("\n".join(lines), good_files())


async def _escapes(attacker: Attacker) -> int:
    return await attacker.publish("{}", good_files(), note="\x1b]52;c;cm0gLXJmIC8=\x07")


async def _zip_bomb(attacker: Attacker) -> int:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_WEIGHTS, b"\0" * (64 << 20))
    form = aiohttp.FormData({"policy": "{}"})
    form.add_field("artifact", io.BytesIO(out.getvalue()), filename="adapter.zip")
    return await attacker.upload(form)


async def _garbage(attacker: Attacker) -> int:
    form = aiohttp.FormData({"policy": "{}"})
    form.add_field("artifact", io.BytesIO(b"\x00\xff" * (8 << 20)), filename="adapter.tar")
    return await attacker.upload(form)


async def _paths(attacker: Attacker) -> int:
    files = good_files()
    return max([await attacker.publish("{}", {**files, name: b"x"}) for name in ("../../evil", "/etc/evil", "a" * 99)])


async def _pickled(attacker: Attacker) -> int:
    return await attacker.publish("{}", {_CONFIG: good_files()[_CONFIG], "adapter_model.bin": b"\x80\x04."})


async def _large_header(attacker: Attacker) -> int:
    header = (1 << 62).to_bytes(8, "little") + b"{}"
    return await attacker.publish("{}", {**good_files(), _WEIGHTS: header})


async def _code(attacker: Attacker) -> int:
    config = json.loads(good_files()[_CONFIG]) | {"auto_map": {"AutoModel": "evil.Model"}, "trust_remote_code": True}
    return await attacker.publish("{}", {**good_files(), _CONFIG: json.dumps(config).encode()})


async def _hub(attacker: Attacker) -> int:
    """Sources that nobody answers, or that are somebody else's."""
    seen = []
    for source in ("hf://private/model", "hf://../../etc", "file:///etc/passwd", "http://169.254.169.254/"):
        form = aiohttp.FormData({"policy": "{}", "source": source})
        seen.append(await attacker.upload(form))
    return max(seen)


async def _others(attacker: Attacker) -> int:
    """Everything that belongs to another domain."""
    seen = [
        await attacker.admin("POST", "/api/v1/adapters/healthcare/triage/promote", {"release": 1}),
        await attacker.admin("POST", "/api/v1/adapters/healthcare/triage/rollback", {}),
        await attacker.admin("POST", "/api/v1/adapters/legal/clause/canary", {"release": 1, "weight": 100}),
        await attacker.admin("POST", "/api/v1/adapters/legal/clause/yank", {"release": 1, "reason": "x"}),
        await attacker.admin("GET", "/api/v1/adapters/legal/clause"),
        await attacker.admin("GET", "/api/v1/adapters/legal/clause/releases/1/artifact"),
        await attacker.admin("GET", "/api/v1/reviews?domain=healthcare"),
        await attacker.admin("GET", "/api/v1/events"),
        await attacker.admin("POST", "/api/v1/domains/healthcare/freeze", {"reason": "x"}),
        await attacker.admin("POST", "/api/v1/tenants", {"name": "me", "domains": ["healthcare"]}),
    ]
    return max(seen)


ATTACKS = [
    *(Attack(name, finding, partial(_policy, policy)) for name, (finding, policy) in _POLICIES.items()),
    Attack("YAML that multiplies", 21, _yaml_bomb),
    Attack("a note that writes to the clipboard", 16, _escapes),
    Attack("an archive that swells", 21, _zip_bomb),
    Attack("16 MB of garbage", 21, _garbage),
    Attack("files outside the archive", 0, _paths),
    Attack("a pickle", 0, _pickled),
    Attack("a header of 4 EB", 0, _large_header),
    Attack("code in a configuration", 0, _code),
    Attack("sources that are not its own", 15, _hub),
    Attack("what is other domains'", 7, _others),
]
