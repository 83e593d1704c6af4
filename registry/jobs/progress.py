"""What the process that trains tells the gateway: one JSON object per line."""

from __future__ import annotations

import msgspec

from postil.registry.errors import JobError


class Began(msgspec.Struct, tag="began", frozen=True):
    """The data is good; the base is loaded and measured next."""


class Started(msgspec.Struct, tag="started", frozen=True):
    """The base is measured; so many steps follow. Where answers are no labels, it has no accuracy."""

    steps: int
    base_accuracy: float | None


class Stepped(msgspec.Struct, tag="stepped", frozen=True):
    """A step is done; ``loss`` is its batch's."""

    step: int
    loss: float | None


class Measured(msgspec.Struct, tag="measured", frozen=True):
    """The validation set was answered."""

    epoch: float
    loss: float | None
    accuracy: float | None
    best: bool


class Done(msgspec.Struct, tag="done", frozen=True):
    """The result lies in the job's folder."""

    accuracy: float | None
    base_accuracy: float | None
    loss: float | None


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """The job cannot be done, and would fail again; the sentence may be shown to whoever made it."""

    message: str
    code: str


# The code where another process still works in the folder: the job is to be tried again.
BUSY = "busy"
Message = Began | Started | Stepped | Measured | Done | Failed
_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
# No line is longer: a sentence about the data may quote a few labels.
LONGEST_LINE = 64 << 10


def encode(message: Message) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


def decode(line: bytes) -> Message:
    """Read one line. Raises JobError."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JobError("the training process told what makes no sense; see the gateway's log") from error
