"""Publishing: what makes a release, what is the same one, and what a refusal leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.audit_chain import first_break
from postil.registry.db.tables import Release
from postil.registry.errors import ConflictError, NotFoundError, PolicyError, PreflightError, RegistryError, TextError
from postil.registry.names import AdapterName, parse_release
from postil.registry.policy.policy import Policy, build, policy_from
from postil.registry.releases.service import Registry
from postil.registry.releases.state import NEWEST_EVENTS
from postil.registry.releases.yank import yank
from tests.fakes.adapters import write_adapter
from tests.registry.conftest import Publish
from tests.registry.releases.test_walls import reaching

TRIAGE = AdapterName("healthcare", "triage")
LABELS = policy_from({"output": {"labels": ["symptoms", "billing"]}, "validators": [{"name": "labels"}]})
PROMPT = policy_from({"system_prompt": "Sort."})


def rows(registry: Registry) -> list[str]:
    """All that the database holds, as text."""
    with registry.database.read() as session:
        found = [
            *(release for name in store.adapters(session) for release in store.releases(session, name)),
            *store.channels(session), *store.domains(session), *store.tenants(session), *store.events(session),
        ]  # fmt: skip
        return [repr(row) for row in found]


def files(folder: Path) -> list[str]:
    """Every file under a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_release_says_what_it_is_made_of(registry: Registry, publish: Publish) -> None:
    number = publish(policy=LABELS, note="first")
    release = registry.release(TRIAGE.release(number))
    assert (release.domain, release.adapter, release.number) == ("healthcare", "triage", 1)
    assert (release.base_id, release.base_revision) == (registry.base.id, registry.base.revision)
    assert (release.note, release.actor) == ("first", "ann")
    assert release.validators == {"labels": "1"}
    assert policy_from(release.policy) == LABELS
    assert release.policy_digest == LABELS.digest()
    assert files(registry.artifacts.verified_path(release.artifact)) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


CONFIDENT = policy_from({"output": {"labels": ["a", "b"]}, "validators": [{"name": "confidence"}]})


def publish_evaluated(registry: Registry, temperature: float, policy: Policy = CONFIDENT) -> Release:
    with registry.artifacts.incoming() as incoming:
        write_adapter(incoming / "adapter")
        report = {"calibration": {"temperature": temperature}}
        (incoming / "adapter" / "training.json").write_text(json.dumps(report))
        return registry.publish(incoming / "adapter", TRIAGE, policy, note="", actor="ann")[0]


def test_what_was_fitted_at_evaluation_is_recorded_with_the_release_and_in_force(registry: Registry) -> None:
    release = registry.release(TRIAGE.release(publish_evaluated(registry, 1.75).number))
    assert release.calibration == {"temperature": 1.75}
    assert policy_from(release.policy) == CONFIDENT
    ((_, validator),) = build(CONFIDENT, registry.plugins, release.calibration).validators
    assert validator.config.temperature == 1.75


def test_a_policy_that_names_a_temperature_has_the_last_word(registry: Registry) -> None:
    named = policy_from({"validators": [{"name": "confidence", "config": {"temperature": 3}}]})
    ((_, validator),) = build(named, registry.plugins, {"temperature": 1.75}).validators
    assert validator.config.temperature == 3


def test_a_validator_that_knows_no_temperature_is_told_none(registry: Registry) -> None:
    assert build(LABELS, registry.plugins, {"temperature": 1.75}).validators


def test_a_temperature_out_of_range_is_refused_and_nothing_is_there(registry: Registry) -> None:
    before = rows(registry)
    with pytest.raises(PolicyError, match="confidence: temperature: input should be less than or equal to 20"):
        publish_evaluated(registry, 50)
    assert rows(registry) == before


def test_numbers_count_up_for_each_adapter(publish: Publish) -> None:
    assert [publish(seed=seed) for seed in range(3)] == [1, 2, 3]
    assert publish("legal/clause") == 1
    assert publish("healthcare/notes", seed=9) == 1


def test_publishing_makes_nothing_live_and_leaves_one_event(registry: Registry, publish: Publish) -> None:
    publish(note="why")
    state = registry.state(TRIAGE)
    assert state.live is None
    ((event,), (release,)) = state.events, state.releases
    assert (event.actor, event.action, event.subject, event.reason) == ("ann", "publish", "healthcare/triage", "why")
    assert (event.before, event.after) == (None, release.number)


def test_the_same_files_and_policy_are_the_same_release(registry: Registry, publish: Publish, tmp_path: Path) -> None:
    assert publish(policy=LABELS, note="first") == 1
    before = rows(registry), files(tmp_path / "artifacts")
    assert publish(policy=LABELS, note="again") == 1
    assert (rows(registry), files(tmp_path / "artifacts")) == before


def test_the_same_release_is_said_not_to_be_new(registry: Registry, tmp_path: Path) -> None:
    made = [
        registry.publish(write_adapter(tmp_path / str(number)), TRIAGE, Policy(), note="", actor="ann")[1]
        for number in range(2)
    ]
    assert made == [True, False]


def test_another_policy_is_another_release_of_the_same_artifact(registry: Registry, publish: Publish) -> None:
    assert [publish(policy=LABELS), publish(policy=PROMPT)] == [1, 2]
    assert len({release.artifact for release in registry.state(TRIAGE).releases}) == 1


def test_another_base_is_another_release(registry: Registry, publish: Publish, tmp_path: Path) -> None:
    publish()
    moved = replace(registry, base=replace(registry.base, revision="c0ffee"))
    release, new = moved.publish(write_adapter(tmp_path / "again"), TRIAGE, None, note="", actor="ann")
    assert (release.number, new) == (2, True)


def test_without_a_policy_the_live_one_stays(registry: Registry, publish: Publish) -> None:
    publish(policy=LABELS)
    registry.promote(TRIAGE.release(1), reason="", actor="ann")
    publish(policy=PROMPT, seed=1)
    assert registry.release(TRIAGE.release(publish(seed=2))).policy_digest == LABELS.digest()


def test_without_a_policy_and_with_none_live_the_newest_stays(registry: Registry, publish: Publish) -> None:
    publish(policy=LABELS)
    publish(policy=PROMPT, seed=1)
    assert registry.release(TRIAGE.release(publish(seed=2))).policy_digest == PROMPT.digest()


def test_the_first_without_a_policy_has_an_empty_one(registry: Registry, publish: Publish) -> None:
    publish("legal/clause", policy=LABELS)
    assert registry.release(TRIAGE.release(publish())).policy == {}


def test_an_empty_policy_can_be_asked_for(registry: Registry, publish: Publish) -> None:
    publish(policy=LABELS)
    assert registry.release(TRIAGE.release(publish(policy=Policy(), seed=1))).policy == {}


def test_the_first_adapter_of_a_domain_is_its_default(registry: Registry, publish: Publish) -> None:
    for name in ("legal/clause", "healthcare/triage", "healthcare/notes"):
        publish(name)
    assert registry.default_adapters() == {"healthcare": "triage", "legal": "clause"}
    assert [(str(state.name), state.default) for state in registry.adapters()] == [
        ("healthcare/notes", False), ("healthcare/triage", True), ("legal/clause", True),
    ]  # fmt: skip


def break_rank(folder: Path) -> None:
    """A rank that this registry does not take."""
    text = (folder / "adapter_config.json").read_text()
    (folder / "adapter_config.json").write_text(text.replace('"r": 2', '"r": 64'))


def leave_pointer(folder: Path) -> None:
    """What a clone holds before its large files are fetched."""
    (folder / "adapter_model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")


def truncate(folder: Path) -> None:
    """Half the weights."""
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("harm", [break_rank, leave_pointer, truncate])
@pytest.mark.parametrize("used", [True, False])
def test_a_refused_adapter_changes_no_row_and_leaves_no_file(
    registry: Registry, publish: Publish, tmp_path: Path, harm: Callable[[Path], None], used: bool
) -> None:
    if used:
        publish()
        registry.promote(TRIAGE.release(1), reason="", actor="ann")
    before = rows(registry), files(tmp_path / "artifacts")
    with registry.artifacts.incoming() as folder:
        harm(write_adapter(folder / "adapter", seed=5))
        with pytest.raises(PreflightError):
            registry.publish(folder / "adapter", TRIAGE, None, note="", actor="ann")
    assert (rows(registry), files(tmp_path / "artifacts")) == before


def test_a_policy_that_cannot_be_served_changes_no_row_and_leaves_no_file(
    registry: Registry, publish: Publish, tmp_path: Path
) -> None:
    before = rows(registry), files(tmp_path / "artifacts")
    with pytest.raises(PolicyError, match="no validator is called 'label'"):
        publish(policy=policy_from({"validators": [{"name": "label"}]}))
    assert (rows(registry), files(tmp_path / "artifacts")) == before


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda registry: registry.release(parse_release("healthcare/triage@3")),
         "there is no release healthcare/triage@3; healthcare/triage has 1, 2"),
        (lambda registry: registry.release(ReleaseRef("legal", "clause", 1)),
         "there is no adapter legal/clause; publish it, or see `postil releases` for those there are"),
        (lambda registry: registry.state(AdapterName("healthcare", "clause")),
         "there is no adapter healthcare/clause; publish it, or see `postil releases` for those there are"),
        (lambda registry: registry.rollback_target(AdapterName("legal", "clause")),
         "there is no adapter legal/clause; publish it, or see `postil releases` for those there are"),
    ],
)  # fmt: skip
def test_what_is_unknown_is_said_with_what_there_is(
    registry: Registry, publish: Publish, ask: Callable[[Registry], object], sentence: str
) -> None:
    publish()
    publish(seed=1)
    with pytest.raises(NotFoundError) as caught:
        ask(registry)
    assert str(caught.value) == sentence


def test_an_empty_registry_has_nothing(registry: Registry) -> None:
    assert registry.adapters() == []
    assert registry.default_adapters() == {}


def test_the_log_holds_after_refusals_and_repeats(registry: Registry, publish: Publish) -> None:
    for seed in (0, 0, 1):
        publish(seed=seed)
    with pytest.raises(RegistryError):
        registry.promote(TRIAGE.release(9), reason="", actor="ann")
    with registry.database.read() as session:
        assert first_break(store.events(session)) is None
        assert len(store.events(session)) == 2


def test_an_adapter_shows_the_newest_of_its_events_in_their_order(registry: Registry, publish: Publish) -> None:
    publish()
    publish(seed=1)
    for number in range(NEWEST_EVENTS // 2 + 1):
        registry.promote(TRIAGE.release(1), reason=str(number), actor="ann")
        registry.promote(TRIAGE.release(2), reason=str(number), actor="ann")
    shown = registry.state(TRIAGE).events
    with registry.database.read() as session:
        everything = store.events(session, str(TRIAGE))
    assert len(shown) == NEWEST_EVENTS < len(everything)
    assert [event.sequence for event in shown] == [event.sequence for event in everything[-NEWEST_EVENTS:]]


def test_what_a_publish_would_refuse_is_refused_before_there_are_files(registry: Registry, publish: Publish) -> None:
    registry.check_ahead(TRIAGE, None, note="", scope=["healthcare"])
    registry.check_ahead(TRIAGE, CONFIDENT, note="fine", scope=None)
    with pytest.raises(TextError, match="control character"):
        registry.check_ahead(TRIAGE, None, note="\x1b", scope=None)
    with pytest.raises(PolicyError, match="look alike"):
        registry.check_ahead(TRIAGE, policy_from({"output": {"labels": ["a", "a "]}}), note="", scope=None)
    with pytest.raises(PolicyError, match="this key is for healthcare only"):
        registry.check_ahead(TRIAGE, reaching("legal/clause@1"), note="", scope=["healthcare"])
    number = publish(policy=LABELS)
    yank(registry.database, TRIAGE.release(number), reason="bad", actor="ann")
    with pytest.raises(ConflictError, match="were yanked"):
        registry.check_ahead(TRIAGE, None, note="", scope=None)
    registry.check_ahead(TRIAGE, LABELS, note="", scope=None)
