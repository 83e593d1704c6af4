from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.artifacts.hub.ref import HubRef, parse_hub_ref
from postil.registry.errors import NameInvalidError


@pytest.mark.parametrize(
    ("text", "repo", "revision", "folder"),
    [
        ("hf://acme/triage", "acme/triage", None, ""),
        ("hf://acme/triage@main", "acme/triage", "main", ""),
        ("hf://Acme-1/tri.age_2@v1.0", "Acme-1/tri.age_2", "v1.0", ""),
        ("hf://acme/triage@refs/pr/3", "acme/triage", "refs/pr/3", ""),
        (f"hf://acme/triage@{'c' * 40}", "acme/triage", "c" * 40, ""),
        ("hf://acme/triage/checkpoint-10", "acme/triage", None, "checkpoint-10"),
        ("hf://acme/triage/runs/1/best@refs/pr/3", "acme/triage", "refs/pr/3", "runs/1/best"),
    ],
)
def test_a_place_on_a_hub_is_read_and_written(text: str, repo: str, revision: str | None, folder: str) -> None:
    ref = parse_hub_ref(text)
    assert ref == HubRef(repo, revision, folder)
    assert str(ref) == text


@pytest.mark.parametrize(
    "text",
    ["", "hf://", "hf://acme", "hf://acme/", "hf:///triage", "hf://a/b/c/", "hf://a/b//c", "hf://a/b/../c",
     "hf://acme/triage@", "hf://acme/tri age", "hf://acme/triage@a b", "acme/triage", "https://acme/triage",
     "hf://../triage", "hf://acme/../x", "hf://a/b@../c", "hf://acme/triage\n", "hf://acme/tri--age",
     "hf://acme/triage?x=1", "hf://acmé/triage", "hf://a/b#c"],
)  # fmt: skip
def test_what_is_no_place_on_a_hub_is_refused(text: str) -> None:
    with pytest.raises(NameInvalidError, match="use hf://org/name or hf://org/name@revision"):
        parse_hub_ref(text)


@given(st.text(max_size=40))
@settings(max_examples=50, deadline=None)
def test_whatever_is_taken_is_written_as_it_was(text: str) -> None:
    try:
        ref = parse_hub_ref("hf://" + text)
    except NameInvalidError:
        return
    assert str(ref) == "hf://" + text
