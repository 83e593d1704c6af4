"""What goes out comes in again as the same release."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.archives.pack import unpack
from postil.registry.artifacts.archives.tar import tar_chunks
from postil.registry.artifacts.contents import policy_in
from postil.registry.artifacts.export import policy_text, release_files
from postil.registry.db.tables import Release
from postil.registry.defaults import SIGNATURE
from postil.registry.names import parse_adapter
from postil.registry.policy.policy import Policy, parse_policy
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter

NAME = parse_adapter("legal/notes")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SAMPLING = st.dictionaries(st.sampled_from(["temperature", "top_p", "stop", "seed", "max_tokens"]), JSON, max_size=3)


def publish(registry: Registry, policy: Policy, report: str | None = None) -> Release:
    """A release of a good adapter."""
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter")
        if report is not None:
            (made / "training.json").write_text(report)
        return registry.publish(made, NAME, policy, note="secret", actor="ann")[0]


def exported(registry: Registry, release: Release) -> bytes:
    """The tar of a release."""
    return b"".join(tar_chunks(release_files(release, registry.artifacts.verified_path(release.artifact))))


@pytest.mark.parametrize("report", [None, "{}"])
@pytest.mark.parametrize("policy", [Policy(), Policy(system_prompt="a: [b]\n# c", sampling={"max_tokens": 3})])
def test_an_export_that_is_published_is_the_same_release(
    registry: Registry, policy: Policy, report: str | None
) -> None:
    release = publish(registry, policy, report)
    publish(registry, Policy(system_prompt="another, and newer"))
    with registry.artifacts.incoming() as folder:
        unpack(io.BytesIO(exported(registry, release)), folder, 1 << 20)
        again, created = registry.publish(folder, NAME, policy_in(folder), note="", actor="bob")
    assert (again.number, again.artifact, created) == (release.number, release.artifact, False)


def test_an_export_is_the_artifact_with_its_policy_and_a_card(registry: Registry) -> None:
    release = publish(registry, Policy(), "{}")
    artifact = registry.artifacts.verified_path(release.artifact)
    files = {file.name: b"".join(file.chunks()) for file in release_files(release, artifact)}
    assert list(files) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "policy.yaml", "training.json",
    ]  # fmt: skip
    assert all(files[path.name] == path.read_bytes() for path in artifact.iterdir())


def test_a_signature_goes_with_it(registry: Registry) -> None:
    release = publish(registry, Policy())
    files = release_files(release, registry.artifacts.verified_path(release.artifact), "the signature")
    assert [b"".join(file.chunks()) for file in files if file.name == SIGNATURE] == [b"the signature"]


def test_the_same_release_is_always_exported_to_the_same_bytes(registry: Registry) -> None:
    release = publish(registry, Policy(system_prompt="x"))
    assert exported(registry, release) == exported(registry, registry.release(NAME.release(release.number)))


def test_who_published_it_and_why_stays_here(registry: Registry) -> None:
    tar = exported(registry, publish(registry, Policy()))
    assert b"secret" not in tar
    assert b"ann" not in tar


@given(st.none() | TEXT, SAMPLING, SAMPLING, st.dictionaries(TEXT, JSON, max_size=2))
@example(prompt="a\x85b\u2028c\r\nd", sampling={}, defaults={}, config={"": "\x85"})
@settings(deadline=None, max_examples=150)
def test_a_policy_is_written_so_that_it_is_read_as_the_same(
    prompt: str | None, sampling: dict[str, Any], defaults: dict[str, Any], config: dict[str, Any]
) -> None:
    policy = Policy.model_validate({
        "system_prompt": prompt, "sampling": sampling, "defaults": defaults,
        "validators": [{"name": "labels", "config": config}], "output": {"json_schema": config},
    })  # fmt: skip
    stored = json.loads(json.dumps(policy.model_dump(mode="json", exclude_defaults=True)))
    assert parse_policy(policy_text(stored)).digest() == policy.digest()


def test_what_stands_twice_is_written_twice(tmp_path: Path) -> None:
    labels = ["a", "b"]
    text = policy_text({"sampling": {"stop": labels}, "defaults": {"stop": labels}})
    assert parse_policy(text) == Policy(sampling={"stop": ["a", "b"]}, defaults={"stop": ["a", "b"]})
