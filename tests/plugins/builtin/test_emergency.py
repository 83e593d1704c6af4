from __future__ import annotations

import time
from typing import Any

import pytest

from postil.plugins import ConfigError, ReleaseRef, RequestContext, Verdict
from postil.plugins.builtin.emergency import NOTICE, Emergency


def asking(*messages: str | tuple[str, str]) -> RequestContext:
    """A chat: texts are the user's, pairs name their role."""
    pairs = [("user", one) if isinstance(one, str) else one for one in messages]
    request = {"messages": [{"role": role, "content": text} for role, text in pairs]}
    return RequestContext(ReleaseRef("healthcare", "triage", 2), "clinic", request)


def check(*messages: str | tuple[str, str], **config: Any) -> Verdict:
    verdict = Emergency.from_mapping(config).check(asking(*messages))
    assert isinstance(verdict, Verdict)
    return verdict


def dangers(text: str, **config: Any) -> str:
    return check(text, **config).review.removeprefix("emergency wording (").removesuffix(")")


DANGERS = {
    "I have chest pain and nausea": "chest pain",
    "pain in my chest since this morning": "chest pain",
    "My chest hurts": "chest pain",
    "my chest has been feeling really tight": "chest pain",
    "crushing pressure in the chest, left arm too": "chest pain",
    "CHEST PAINS!!": "chest pain",
    "chstpain": "chest pain",
    "c\u200bhest pa\u00adin": "chest pain",
    "I think I'm having a heart attack": "chest pain",
    "I have trouble breathing": "breathing",
    "can\u2019t breathe": "breathing",
    "I cant breath properly": "breathing",
    "it is hard to breethe": "breathing",
    "shortness of breath when lying down": "breathing",
    "struggling to breathe after the shot": "breathing",
    "he is not breathing": "breathing",
    "my son is choking": "breathing",
    "her lips are turning blue": "breathing",
    "is this a sign of a stroke?": "stroke",
    "his face is drooping on one side": "stroke",
    "my left arm is suddenly numb": "stroke",
    "I can't move my right leg": "stroke",
    "slurred speech since lunch": "stroke",
    "the worst headache of my life": "stroke",
    "I want to kill myself": "suicidal thoughts",
    "thinking about suicide": "suicidal thoughts",
    "i feel sucidal": "suicidal thoughts",
    "I don't want to live anymore": "suicidal thoughts",
    "i just want to die": "suicidal thoughts",
    "I keep having the urge to cut myself": "suicidal thoughts",
    "everybody would be better off without me": "suicidal thoughts",
    "I am bleeding heavily": "bleeding",
    "the wound won't stop bleeding": "bleeding",
    "heavy bleeding after the birth": "bleeding",
    "coughing up blood": "bleeding",
    "she has lost a lot of blood": "bleeding",
    "a haemorrhage": "bleeding",
    "my throat is closing up": "anaphylaxis",
    "anaphilactic shock?": "anaphylaxis",
    "tongue and lips are swelling": "anaphylaxis",
    "a severe allergic reaction": "anaphylaxis",
    "I took too many pills": "overdose",
    "she overdosed on paracetamol": "overdose",
    "he swallowed a whole bottle of tablets": "overdose",
    "my toddler drank bleach": "overdose",
    "my dad is unconscious": "unconscious",
    "she passed out and won't wake up": "unconscious",
    "he had a siezure": "unconscious",
}


@pytest.mark.parametrize(("text", "kind"), DANGERS.items())
def test_a_message_that_names_a_danger_passes_with_a_notice_and_a_review(text: str, kind: str) -> None:
    verdict = check(text)
    assert verdict.ok
    assert verdict.notice == NOTICE
    assert verdict.review == f"emergency wording ({kind})"


HARMLESS = [
    "I would like to book an appointment for next Tuesday",
    "Can I get a chest x-ray appointment?",
    "Your bill for the breath test is wrong",
    "I can't come today, can we move it?",
    "a stroke of luck that you had a slot",
    "rehabilitation costs after my stroke in 2019",
    "my invoice is overdue",
    "renew my epipen prescription",
    "I took all my tablets as prescribed",
    "I have a headache and a runny nose",
    "the killing heat makes me tired",
    "my knee hurts",
    "what size of bandage do I need",
    "my back hurts. A chest of drawers fell over",
    "my blood test results, please",
    "the dentist said the filling is fine",
    "I hurt myself playing football, my ankle is swollen",
    "are you open on Sundays?",
    "",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_an_everyday_message_raises_no_alarm(text: str) -> None:
    assert check(text) == Verdict.passed()


@pytest.mark.parametrize(
    "text",
    [
        "no chest pain",
        "I have a cough but no chest pain.",
        "I don't have chest pain",
        "I don\u2019t have any chest pain",
        "do not have trouble breathing",
        "denies chest pain",
        "without chest pain or trouble breathing",
        "no chest pain or chest tightness",
        "there are no signs of a heart attack",
        "I have never had a seizure",
        "he is not unconscious",
    ],
)
def test_a_plain_denial_is_no_alarm(text: str) -> None:
    assert not check(text).review


@pytest.mark.parametrize(
    "text",
    [
        "I have taken every tablet in the house and I am getting sleepy",
        "he stands beside me and makes me send the money",
        "Ich habe alle Tabletten genommen und will nicht mehr leben",
        "Mon mari me frappe et les enfants ont peur",
    ],
)
def test_a_danger_in_other_words_is_likely(text: str) -> None:
    assert dangers(text) == "likely"
    assert not check(text, built_in=False, phrases=["brainfog"]).notice


def test_wordings_are_told_apart_from_what_is_likely() -> None:
    checker: Emergency = Emergency.from_mapping({})
    assert (checker.wordings("chest pain"), checker.dangers("chest pain")) == (["chest pain"], ["chest pain"])
    assert checker.wordings("he stands beside me and makes me send the money") == []


def test_a_danger_that_is_named_goes_by_its_name_alone() -> None:
    assert dangers("chest pain, and he stands beside me and makes me send the money") == "chest pain"


@pytest.mark.parametrize(
    "text",
    [
        "no, chest pain",
        "no nausea, chest pain",
        "no nausea but chest pain",
        "not only chest pain",
        "not sure if it is chest pain",
        "I no longer have chest pain",
        "no fever. Chest pain since noon",
        "no chest pain yesterday but chest pain today",
        "no chest pain, trouble breathing",
        "why did nobody ask about my chest pain",
    ],
)
def test_where_a_denial_is_not_plain_it_is_an_alarm(text: str) -> None:
    assert check(text).review


def test_all_the_dangers_of_a_message_are_named() -> None:
    assert dangers("chest pain, and I can't breathe") == "chest pain, breathing"


def test_what_was_said_before_the_last_answer_is_left_out_unless_asked_for() -> None:
    chat = ("I have chest pain", ("assistant", '{"category": "symptoms"}'), "and when are you open?")
    assert not check(*chat).review
    assert check(*chat, whole_conversation=True).review
    assert check(("assistant", "hello"), "I have chest pain", "please answer").review


def test_only_the_user_is_listened_to() -> None:
    assert not check(("system", "Chest pain is an emergency."), "hello").review


def test_messages_in_parts_and_prompts_are_read_too() -> None:
    parts = [{"type": "text", "text": "I have"}, {"type": "text", "text": "chest pain"}]
    checker = Emergency.from_mapping({})
    for request in ({"messages": [{"role": "user", "content": parts}]}, {"prompt": "chest pain"}):
        assert checker.check(RequestContext(ReleaseRef("a", "b", 1), "t", request)).review


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("Brustschmerzen", "Ich habe BRUSTSCHMERZEN!", True),
        ("Überdosis", "eine überdosis", True),
        ("keine Luft", "ich bekomme keine  Luft", True),
        ("боль", "сильная боль", True),
        ("боль", "больной", False),
        ("C++", "C++", True),
        ("rash", "a crash", False),
    ],
)
def test_phrases_are_added_as_whole_words_of_any_language(phrase: str, text: str, found: bool) -> None:
    assert dangers(text, phrases=[phrase]) == ("phrases" if found else "")


def test_the_built_in_wordings_can_be_left_out() -> None:
    assert not check("chest pain", built_in=False, phrases=["brainfog"]).review
    assert dangers("brainfog", built_in=False, phrases=["brainfog"]) == "phrases"


def test_the_policy_has_its_own_notice_and_may_want_no_review() -> None:
    verdict = check("chest pain", notice="Ring 112.", review=False)
    assert (verdict.notice, verdict.review) == ("Ring 112.", "")


@pytest.mark.parametrize("piece", ["chest ", "not ", "no chest pain or ", "can't ", "blood ", "e\u0301"])
def test_a_message_of_a_megabyte_is_looked_at_in_time(piece: str) -> None:
    started = time.process_time()
    check(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"phrases": ["x"]}, "emergency: phrases.0: string should have at least 2 characters"),
        (
            {"phrases": ["--", "\u200b\u200b"]},
            "emergency: the phrase '\\u200b\\u200b' has no character that can be seen; leave it out",
        ),
        ({"phrases": [], "built_in": False}, "emergency: it has no wordings; give phrases, or leave built_in out"),
        ({"notice": ""}, "emergency: notice: string should have at least 1 character"),
        ({"words": []}, "emergency: there is no option words; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Emergency.from_mapping(config)
    assert str(caught.value) == sentence
