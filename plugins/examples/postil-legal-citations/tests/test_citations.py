from __future__ import annotations

import pytest
from postil.plugins import Completion, ReleaseRef, RequestContext, Verdict
from postil.plugins.testing import check_validator

from postil_legal_citations.citations import Citations

LISTED = {"statutes": ["17 U.S.C. § 107", "35 U.S.C. §101", "1 U.S.C. § 17"]}
EXCHANGE = RequestContext(ReleaseRef("legal", "clause", 1), "firm", {"messages": []})


def judge(text: str) -> Verdict:
    verdict: Verdict = Citations.from_mapping(LISTED).judge(EXCHANGE, Completion(text))
    return verdict


def test_it_keeps_the_contract() -> None:
    check_validator(
        Citations,
        LISTED,
        passes=["Fair use is in 17 U.S.C. § 107.", "35 U.S.C. § 101", "No statute at all, but 17 apples.", "§ 107"],
        fails=["See 17 U.S.C. § 108.", "17 U.S.C. § 1070 and 17 U.S.C. § 107", "5 U.S.C. § 552a", "35 U.S.C. § 10"],
        bad=[{}, {"statutes": []}, {"statutes": ["the Copyright Act"]}, {"statutes": ["17 U.S.C. § 123456789"]}],
    )


@pytest.mark.parametrize("text", ["17 U.S.C. § 107", "(17 U.S.C. §107)", "see 35 U.S.C. § 101, and so on"])
def test_what_is_listed_may_be_cited_however_it_is_spaced(text: str) -> None:
    assert judge(text).ok


def test_it_says_where_the_others_stand() -> None:
    text = "Both 17 U.S.C. § 107 and 17 U.S.C. § 108."
    verdict = judge(text)
    assert verdict.reason == "cites a statute that is not in the list"
    assert [text[span.start : span.end] for span in verdict.spans] == ["17 U.S.C. § 108"]


def test_one_citation_can_begin_in_another() -> None:
    check_validator(Citations, LISTED, passes=["1 U.S.C. § 17"], fails=["1 U.S.C. § 17 U.S.C. § 108 of it"])


def test_a_longer_section_is_another_section() -> None:
    assert not judge("17 U.S.C. § 107000000").ok
    assert not judge("17 U.S.C. § 107a").ok
