from __future__ import annotations

import json
from typing import Any

import pytest
from safetensors.numpy import load_file

from postil.plugins import ReleaseRef
from postil.registry.names import parse_adapter
from postil.registry.policy.policy import parse_policy
from postil.registry.releases.diff.diff import Fact, ReleaseDiff, diff
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter
from tests.support.paths import ROOT


def training(accuracy: Any = 0.9, loss: Any = 0.25, *, validation: str = "sha256:1", examples: Any = 100) -> str:
    """A training.json as ``postil train`` writes it, as far as it is read."""
    return json.dumps(
        {
            "data": {"examples": examples}, "validation": {"digest": validation},
            "adapter_metrics": {"accuracy": accuracy, "loss": loss, "examples": 50},
            "base_metrics": {"accuracy": 0.25},
        }
    )  # fmt: skip


class Shelf:
    """Releases to compare, published as users do."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def publish(
        self, name: str = "healthcare/triage", policy: str = "{}", *, figures: str | None = None, **adapter: Any
    ) -> ReleaseRef:
        """Publish an adapter; ``figures`` is its training.json."""
        with self.registry.artifacts.incoming() as folder:
            made = write_adapter(folder / "adapter", **adapter)
            if figures is not None:
                (made / "training.json").write_text(figures)
            found, _ = self.registry.publish(made, parse_adapter(name), parse_policy(policy), note="why", actor="ann")
        return parse_adapter(name).release(found.number)

    def diff(self, before: ReleaseRef, after: ReleaseRef) -> ReleaseDiff:
        """Compare two of them."""
        return diff(self.registry.release(before), self.registry.release(after), self.registry.artifacts)


@pytest.fixture
def shelf(registry: Registry) -> Shelf:
    """An empty shelf."""
    return Shelf(registry)


def by_name(facts: Any) -> dict[str, Fact]:
    """Facts by their names."""
    return {fact.name: fact for fact in facts}


def test_a_release_does_not_differ_from_itself(shelf: Shelf) -> None:
    one = shelf.publish(figures=training())
    found = shelf.diff(one, one)
    assert (found.policy, found.problem, found.same_validation) == ([], None, True)
    assert not any(fact.differs for fact in [*found.metrics, *found.adapter])
    assert {module.state for module in found.modules} == {"identical"}


def test_policies_are_compared_as_releases_keep_them(shelf: Shelf) -> None:
    before = shelf.publish(policy="{validators: [{name: confidence, config: {minimum: 0.4}}]}")
    after = shelf.publish(policy="{validators: [{name: confidence, config: {minimum: 0.5}}], fallback: []}")
    (change,) = shelf.diff(before, after).policy
    assert (change.path, change.before, change.after) == ("validators[confidence].config.minimum", 0.4, 0.5)


def test_a_validator_of_another_version_is_a_difference(shelf: Shelf) -> None:
    ref = shelf.publish(policy="{validators: [{name: confidence}]}")
    before, after = shelf.registry.release(ref), shelf.registry.release(ref)
    before.components = None  # A release from before the versions of all plugins were recorded.
    after.validators = {"confidence": "2", "labels": "1"}
    (change,) = diff(before, after, shelf.registry.artifacts).policy
    assert (change.path, change.before, change.after) == ("validators[confidence], version", "1", "2")


def test_every_kind_of_plugin_of_another_version_or_package_is_a_difference(shelf: Shelf) -> None:
    fallback = "[{name: error, config: {message: sorry}}, {name: base}]"
    ref = shelf.publish(policy=f"{{input: [{{name: injection}}], fallback: {fallback}}}")
    before, after = shelf.registry.release(ref), shelf.registry.release(ref)
    known = [dict(one) for one in before.components or ()]
    for one in known:
        if one["name"] == "injection":
            one["version"] = "3"
        elif one["name"] == "error":
            one |= {"distribution": "theirs", "distribution_version": "1.0"}
    after.components = known
    found = diff(before, after, shelf.registry.artifacts).policy
    own = next(one["distribution_version"] for one in before.components or ())
    assert [(change.path, change.before, change.after) for change in found] == [
        ("fallback[error], package", f"postil {own}", "theirs 1.0"),
        ("input[injection], version", "2", "3"),
    ]


def test_figures_of_training_are_compared(shelf: Shelf) -> None:
    before = shelf.publish(figures=training(0.9, 0.25))
    after = shelf.publish(figures=training(0.95, 0.125, examples=300))
    found = shelf.diff(before, after)
    facts = {fact.name: (fact.before, fact.after, fact.change) for fact in found.metrics}
    assert facts == {
        "validation accuracy": (0.9, 0.95, 0.05),
        "validation loss": (0.25, 0.125, -0.125),
        "validation examples": (50, 50, 0),
        "training examples": (100, 300, 200),
        "accuracy of the base alone": (0.25, 0.25, 0),
    }
    assert found.same_validation is True


def test_figures_that_only_one_has_are_shown_for_that_one(shelf: Shelf) -> None:
    found = shelf.diff(shelf.publish(), shelf.publish(figures=training()))
    fact = by_name(found.metrics)["validation accuracy"]
    assert (fact.before, fact.after, fact.change, found.same_validation) == (None, 0.9, None, None)


def test_figures_of_different_validation_sets_are_said_to_be_so(shelf: Shelf) -> None:
    before, after = shelf.publish(figures=training()), shelf.publish(figures=training(validation="sha256:2"))
    assert shelf.diff(before, after).same_validation is False


@pytest.mark.parametrize(
    "figures",
    ["", "no json", "[]", '"text"', '{"adapter_metrics": [1], "data": 3}', "[" * 200_000,
     training(float("nan"), "0.1", examples=True), training(float("inf"), 10**400, validation=""), "\ufeff{}"],
    ids=["empty", "words", "list", "string", "shapes", "deep", "nan", "huge", "mark"],
)  # fmt: skip
def test_a_training_json_that_is_something_else_says_nothing(shelf: Shelf, figures: str) -> None:
    found = shelf.diff(shelf.publish(), shelf.publish(figures=figures))
    known = {"validation examples", "training examples", "accuracy of the base alone"}
    assert {fact.name for fact in found.metrics} <= known
    json.dumps([(fact.before, fact.after, fact.change) for fact in found.metrics], allow_nan=False)


def test_what_an_adapter_is_made_of_is_compared(shelf: Shelf) -> None:
    before, after = shelf.publish(rank=2), shelf.publish(rank=4, lora_alpha=16, use_rslora=True)
    facts = by_name(shelf.diff(before, after).adapter)
    changed = {name: (fact.before, fact.after) for name, fact in facts.items() if fact.differs and name != "size"}
    assert changed == {"rank": (2, 4), "alpha": (4, 16), "rank-stabilised": (False, True), "parameters": (56, 112)}
    assert (facts["targets"].before, facts["dtype"].before) == (["q_proj", "v_proj"], "F32")
    assert facts["size"].before == folder_size(shelf, before)


def test_ranks_and_alphas_of_single_modules_are_compared_where_there_are_any(shelf: Shelf) -> None:
    before, after = shelf.publish(), shelf.publish(alpha_pattern={"v_proj": 8}, rank_pattern={"q_proj": 2})
    facts = by_name(shelf.diff(before, after).adapter)
    assert (facts["alpha by module"].before, facts["alpha by module"].after) == ({}, {"v_proj": 8})
    assert facts["rank by module"].after == {"q_proj": 2}
    assert "alpha by module" not in by_name(shelf.diff(before, before).adapter)


def folder_size(shelf: Shelf, ref: ReleaseRef) -> int:
    """The bytes of a release's files."""
    folder = shelf.registry.artifacts.verified_path(shelf.registry.release(ref).artifact)
    return sum(path.stat().st_size for path in folder.iterdir())


def test_two_adapters_can_be_compared(shelf: Shelf) -> None:
    before, after = shelf.publish("legal/notes"), shelf.publish("finance/intent", seed=1)
    found = shelf.diff(before, after)
    assert (found.before.domain, found.after.domain) == ("legal", "finance")
    assert {kind.kind: (kind.state, kind.layers) for kind in found.kinds} == {
        "q_proj": ("changed", "0"), "v_proj": ("changed", "0"),
    }  # fmt: skip


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_files_that_are_gone_leave_the_policy_to_compare(shelf: Shelf, harm: str) -> None:
    before, after = shelf.publish(), shelf.publish(policy="{system_prompt: Sort.}", seed=1)
    folder = shelf.registry.artifacts.verified_path(shelf.registry.release(after).artifact)
    if harm == "missing":
        folder.rename(folder.with_name("away"))
    else:
        (folder / "adapter_config.json").write_text("{}")
    found = shelf.diff(before, after)
    assert [change.path for change in found.policy] == ["system_prompt"]
    assert f"is {harm}" in str(found.problem)
    assert (found.metrics, found.adapter, found.modules) == ((), (), ())


def test_an_adapter_as_peft_writes_it_is_compared(shelf: Shelf) -> None:
    """The two versions of the demo's triage: same shape, half precision, trained on other data."""
    folders = [ROOT / "deploy" / "demo" / "healthcare" / "triage" / version for version in "12"]
    releases = [shelf.registry.release(shelf.publish(seed=seed)) for seed in range(2)]
    for folder, release in zip(folders, releases, strict=True):
        with shelf.registry.artifacts.incoming() as incoming:
            for path in folder.iterdir():
                (incoming / path.name).write_bytes(path.read_bytes())
            release.artifact = shelf.registry.artifacts.put(incoming)
    found = diff(releases[0], releases[1], shelf.registry.artifacts)
    assert by_name(found.metrics)["validation accuracy"].change == pytest.approx(0.0966, abs=1e-3)
    assert {(kind.state, kind.layers, kind.modules) for kind in found.kinds} == {("changed", "15-29", 15)}
    assert by_name(found.adapter)["modules"].before == 105
    weights = load_file(folders[0] / "adapter_model.safetensors")
    assert by_name(found.adapter)["parameters"].before == sum(tensor.size for tensor in weights.values())
