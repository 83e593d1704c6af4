"""The messages between the gateway and a process of installed plugins; both sides import this.

Messages go out as plain structures, arguments inside them pickled: the process is the gateway's own child. Nothing
that comes back is unpickled, because foreign code may have written it: it is decoded into the expected types.
"""

from __future__ import annotations

import operator
from typing import Any

import msgspec

from postil.gateway.ipc import Frames, framed
from postil.plugins.installed import Source
from postil.plugins.types import AskAgain, Fail, Fallback, Hold, Undecided, Verdict

# The longest answer that a component may give: reading one of thousands of spans takes the gateway 2 ms.
ANSWER_BYTES = 64 * 1024
_MESSAGE_BYTES = 1 << 30
_ANSWERS: tuple[tuple[str, Any], ...] = (
    ("verdict", Verdict),
    ("fallback", Fallback),
    ("ask-again", AskAgain),
    ("hold", Hold),
    ("fail", Fail),
    ("undecided", Undecided),
    ("text", str),
    ("nothing", type(None)),
)
_READERS = {what: msgspec.msgpack.Decoder(kind) for what, kind in _ANSWERS}


class ComponentSpec(msgspec.Struct, frozen=True, array_like=True):
    """A component: what it is called, where its class stands, its configuration (pickled), and its plugin."""

    kind: str
    name: str
    version: str
    module: str
    qualname: str
    config: bytes
    source: Source = Source("")


class Prepare(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Make a component and keep it under a number."""

    id: int
    number: int
    needed: ComponentSpec


class CallMethod(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Call a method of a component; ``due`` is by the machine's monotonic clock, which all processes share."""

    id: int
    number: int
    method: str
    arguments: bytes
    due: float


class Drop(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Remove a component."""

    number: int


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Ask for a sign of life."""


Message = Prepare | CallMethod | Drop | Ping


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The result of a message: one of the answers above, or one of the words below with a text."""

    id: int
    what: str
    value: msgspec.Raw


# The process is up; it can hear; the component is made, or cannot be (and why).
HELLO, PONG, READY, UNFIT = "hello", "pong", "ready", "unfit"
# The call raised something; was not begun or not ended in time; returned another thing than an answer, one that
# cannot be read, or too much.
RAISED, LATE, RUBBISH, UNREADABLE, LONG = "raised", "late", "rubbish", "unreadable", "long"

_messages: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_replies = msgspec.msgpack.Decoder(Reply)
_texts = msgspec.msgpack.Decoder(str)


def message_frames() -> Frames:
    """The frames that the process reads."""
    return Frames(_MESSAGE_BYTES)


def reply_frames() -> Frames:
    """The frames that the gateway reads; longer answers are refused."""
    return Frames(ANSWER_BYTES + 1024)


def message(content: Message) -> bytes:
    """Encode a message."""
    return framed(msgspec.msgpack.encode(content))


def read_message(body: bytes) -> Message:
    """Decode a message."""
    return _messages.decode(body)


def reply(number: int, what: str, text: str = "") -> bytes:
    """Encode one of the words with a text."""
    return framed(msgspec.msgpack.encode((number, what, text)))


def kind_of(result: object) -> str | None:
    """The kind of answer that an object is, or None."""
    return next((what for what, kind in _ANSWERS if isinstance(result, kind)), None)


def answer(number: int, what: str, result: object) -> bytes:
    """Encode what a component returned."""
    try:
        body = msgspec.msgpack.encode((number, what, result), enc_hook=_plain)
    except Exception:  # Its fields may hold anything.
        return reply(number, UNREADABLE, what)
    return framed(body) if len(body) <= ANSWER_BYTES else reply(number, LONG)


def read_reply(body: bytes) -> Reply:
    """Decode a reply. Raises MsgspecError."""
    return _replies.decode(body)


def value(found: Reply) -> Any:
    """The answer in a reply, of exactly the type that it claims to be. Raises MsgspecError, KeyError."""
    return _READERS[found.what].decode(found.value)


def text(found: Reply) -> str:
    """The text beside a word, cut to what fits a line. Raises MsgspecError."""
    return "".join(c if c.isprintable() else " " for c in _texts.decode(found.value)[:500])


def _plain(found: object) -> object:
    """What passes for a text or a number, such as numpy's: a component in the gateway's own process may use it."""
    if isinstance(found, str):
        return str.__str__(found)
    return operator.index(found)  # type: ignore[arg-type]  # It raises TypeError for anything else.
