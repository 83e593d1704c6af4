"""Temperature scaling: it finds the temperature that made the answers, and says honestly what it is worth."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins.builtin.confidence import HOTTEST, LEAST, calibrated, log_odds
from postil.registry.training.calibration import FEWEST, calibrate, expected_error, fit, log_loss

Answered = list[tuple[float, bool]]
ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def answered(temperature: float, count: int, seed: int = 0) -> Answered:
    """Answers of a model whose odds are the true ones to the power of ``temperature``."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        true = chance.uniform(0.5, 0.999)
        rows.append((calibrated(true, 1 / temperature), chance.random() < true))
    return rows


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
def test_the_temperature_that_made_the_answers_is_found(temperature: float) -> None:
    assert fit(answered(temperature, 20_000)) == pytest.approx(temperature, rel=0.05)


def test_a_model_that_is_too_sure_is_off_by_less_afterwards_on_answers_it_was_not_fitted_to() -> None:
    found = calibrate(answered(3.0, 400))
    assert found.answers == 400
    assert found.raw_error is not None
    assert found.error is not None
    assert found.log_loss is not None
    assert found.raw_log_loss is not None
    assert found.error < found.raw_error / 2
    assert found.log_loss < found.raw_log_loss


def test_too_few_answers_change_nothing_and_claim_nothing() -> None:
    found = calibrate(answered(3.0, FEWEST - 1))
    assert (found.temperature, found.error, found.log_loss) == (1.0, None, None)
    assert found.answers == FEWEST - 1


def test_a_temperature_that_does_not_help_on_answers_left_out_is_not_used() -> None:
    few = answered(1.0, 25, seed=2)
    found = calibrate(few)
    assert found.log_loss is not None
    assert found.raw_log_loss is not None
    assert found.log_loss > found.raw_log_loss
    assert found.temperature == 1.0 != fit(few)


def test_answers_that_are_all_right_do_not_ask_for_certainty() -> None:
    temperature = fit([(0.9, True)] * 50)
    assert calibrated(0.9, temperature) == pytest.approx(51 / 52, abs=1e-3)


@given(ANSWERS)
@settings(deadline=None)
def test_every_temperature_is_one_that_the_validator_takes(rows: Answered) -> None:
    assert LEAST * 0.999 <= fit(rows) <= HOTTEST * 1.001


@given(ANSWERS, st.floats(LEAST, HOTTEST))
@settings(deadline=None)
def test_no_other_temperature_fits_better(rows: Answered, other: float) -> None:
    def loss(temperature: float) -> float:
        right = sum(good for _, good in rows)
        targets = {True: (right + 1) / (right + 2), False: 1 / (len(rows) - right + 2)}
        chances = [(calibrated(chance, temperature), targets[good]) for chance, good in rows]
        safe = [(min(max(chance, 1e-300), 1 - 1e-16), target) for chance, target in chances]
        return -sum(t * math.log(c) + (1 - t) * math.log1p(-c) for c, t in safe)

    assert loss(fit(rows)) <= loss(other) + 1e-6 * len(rows) + 1e-3 * abs(loss(other))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(LEAST, HOTTEST))
def test_scaling_keeps_the_order_and_stays_a_probability(one: float, other: float, temperature: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= calibrated(low, temperature) <= calibrated(high, temperature) <= 1


@given(st.floats(1e-9, 1 - 1e-9))
def test_a_temperature_of_one_changes_nothing_and_one_half_stays_one_half(chance: float) -> None:
    assert calibrated(chance, 1.0) == chance
    assert calibrated(0.5, 7.0) == 0.5
    assert 1 / (1 + math.exp(-log_odds(chance))) == pytest.approx(chance, rel=1e-6)


def test_the_figures_are_those_of_their_definitions() -> None:
    assert expected_error([(0.8, True)] * 8 + [(0.8, False)] * 2) == pytest.approx(0, abs=1e-9)
    assert expected_error([(0.6, False)] * 10 + [(0.9, True)] * 10) == pytest.approx((0.6 + 0.1) / 2)
    assert expected_error([(0.75, True), (0.75, False)] * 50) == pytest.approx(0.25)
    assert log_loss([(0.8, True), (0.8, False)]) == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2)
