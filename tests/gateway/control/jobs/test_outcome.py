"""What a trainer tells becomes events, at most some hundreds of steps, and a time at which it will be ready."""

from __future__ import annotations

from datetime import timedelta

from postil.gateway.control.jobs.outcome import Follower
from postil.registry.db.tables import utcnow
from postil.registry.jobs.progress import Began, Done, Measured, Started, Stepped


def test_what_is_told_becomes_events_once() -> None:
    follower = Follower()
    for message in (Began(), Started(2, 0.5), Stepped(1, 0.25), Measured(1.0, 0.5, 0.75, True)):
        follower.follow(message)
    told = follower.take()
    assert [each.message for each in told] == [
        "The data is good; measuring the base model",
        "Training 2 steps; the base model's accuracy is 50.0%",
        "Step 1/2: training loss=0.25",
        "Epoch 1.00: validation loss=0.500, accuracy=75.0%, the best so far",
    ]
    assert told[3].data == {
        "step": 1, "epoch": 1.0, "full_valid_loss": 0.5, "valid_accuracy": 0.75, "best": True, "train_loss": 0.25,
    }  # fmt: skip
    assert follower.take() == []
    assert follower.outcome is None
    follower.follow(Done(0.75, 0.5, 0.5))
    assert follower.outcome == Done(0.75, 0.5, 0.5)


def test_of_many_steps_some_hundreds_are_events_and_the_last_one_is() -> None:
    follower = Follower()
    follower.follow(Started(5003, 0.5))
    for step in range(1, 5004):
        follower.follow(Stepped(step, 0.1))
    told = [each.data["step"] for each in follower.take() if each.data]
    assert len(told) <= 510
    assert told[-1] == 5003


def test_the_time_that_is_left_is_that_of_the_steps_so_far() -> None:
    now = 100.0
    follower = Follower(clock=lambda: now)
    assert follower.progress() is None
    follower.follow(Started(10, 0.5))
    before = follower.progress()
    assert before is not None
    assert (before.step, before.steps, before.estimated_finish) == (0, 10, None)
    now = 120.0
    follower.follow(Stepped(4, 0.1))
    progress = follower.progress()
    assert progress is not None
    assert progress.estimated_finish is not None
    assert abs(progress.estimated_finish - utcnow() - timedelta(seconds=30)) < timedelta(seconds=5)


def test_a_loss_that_is_no_number_is_told_as_none() -> None:
    follower = Follower()
    for message in (Started(2, 0.5), Stepped(1, None), Measured(1.0, None, 0.75, False)):
        follower.follow(message)
    assert [each.message for each in follower.take()][1:] == [
        "Epoch 1.00: validation loss=no number, accuracy=75.0%",
    ]


def test_where_answers_are_no_labels_losses_alone_are_told() -> None:
    follower = Follower()
    for message in (Started(2, None), Measured(1.0, 0.5, None, False)):
        follower.follow(message)
    told = follower.take()
    assert [each.message for each in told] == ["Training 2 steps", "Epoch 1.00: validation loss=0.500"]
    assert told[1].data == {"step": 0, "epoch": 1.0, "full_valid_loss": 0.5, "best": False}
