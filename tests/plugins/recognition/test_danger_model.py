from __future__ import annotations

import pytest

from postil.plugins.recognition.danger_model import WORDS, DangerModel, windows
from postil.plugins.recognition.folding import plain

MODEL = DangerModel("emergency.weights")


def is_danger(text: str) -> bool:
    return MODEL.score(plain(text)) > 0


@pytest.mark.parametrize(
    "text",
    [
        "I've taken every tablet in the house and I am getting sleepy",
        "he is standing next to me and makes me transfer the money",
        "ich habe alle Tabletten genommen",
        "il me force à signer et menace mon fils",
        "no quiero seguir viviendo, tengo la cuerda preparada",
        "mio marito mi picchia e sta per tornare",
        "ele me obriga a fazer a transferência e ameaça minha filha",
    ],
)
def test_a_danger_is_recognised_in_each_of_the_languages(text: str) -> None:
    assert is_danger(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "which tablets are best taken with food?",
        "he stood next to me in the line at the branch",
        "Wie viele Tabletten sind in der Packung?",
        "il faut signer le contrat avant vendredi",
        "quiero cancelar mi contrato",
        "mio marito vuole un appuntamento",
        "como faço uma transferência?",
        "7",
    ],
)
def test_an_ordinary_message_with_the_same_words_is_not(text: str) -> None:
    assert not is_danger(text)


def test_a_danger_in_the_middle_of_a_long_letter_is_recognised() -> None:
    letter = "Thank you for your letter about the new tariff, which I have read with interest. " * 6
    assert not is_danger(letter)
    assert is_danger(f"{letter} I have taken all my pills and I want to die tonight, goodbye. {letter}")


def test_windows_overlap_and_reach_the_end() -> None:
    assert list(windows(0)) == [(0, 0)]
    assert list(windows(WORDS)) == [(0, WORDS)]
    found = list(windows(WORDS * 2 + 5))
    assert found[0] == (0, WORDS)
    assert found[-1][1] == WORDS * 2 + 5
    assert all(start < before for (start, _), (_, before) in zip(found[1:], found, strict=False))
