"""An answer as blocks, one after the other: thoughts, a text, calls of tools. Other APIs write answers so."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from postil.gateway.inference.formats.events import ChoiceDelta, ToolCallDelta


class BlockKind(Enum):
    """What a block is."""

    REASONING = "reasoning"
    TEXT = "text"
    CALL = "call"


@dataclass(slots=True)
class Block:
    """A block with all that it has said: of a call, ``text`` is the arguments."""

    kind: BlockKind
    number: int
    text: str = ""
    call_id: str = ""
    name: str = ""


class Change(Enum):
    """What happens to a block."""

    BEGINS = "begins"
    SAYS = "says"
    ENDS = "ends"


class Step(NamedTuple):
    """One change of a block; ``text`` is what it says more."""

    change: Change
    block: Block
    text: str = ""


class BlockStream:
    """Cuts the pieces of a chat's answer into blocks that begin and end one after the other.

    One block is open at a time, and thoughts and texts end where something else begins. But where texts are ``held``
    back, more of one may come: what begins after it waits until the answer's end, and so does what begins after a call.
    """

    def __init__(self, *, held: bool) -> None:
        self._held = held
        self._blocks: list[Block] = []
        self._open: Block | None = None
        self._waiting: list[Block] = []
        self._current: dict[Hashable, Block] = {}

    @property
    def blocks(self) -> list[Block]:
        """All blocks so far, in their order."""
        return self._blocks

    def feed(self, piece: ChoiceDelta) -> Iterator[Step]:
        """What a piece of the answer changes."""
        delta = piece.delta
        if delta is None:
            return
        yield from self._say(BlockKind.REASONING, delta.reasoning or delta.reasoning_content)
        yield from self._say(BlockKind.TEXT, delta.content)
        yield from self._say(BlockKind.TEXT, delta.refusal)
        for call in delta.tool_calls or ():
            yield from self._call(call)

    def finish(self) -> Iterator[Step]:
        """The answer is complete: what waited follows. To say nothing is to say an empty text."""
        if not self._blocks:
            yield from self._begin(BlockKind.TEXT, BlockKind.TEXT)
        if self._open is not None:
            yield Step(Change.ENDS, self._open)
        for block in self._waiting:
            yield Step(Change.BEGINS, block)
            if block.text:
                yield Step(Change.SAYS, block, block.text)
            yield Step(Change.ENDS, block)
        self._open, self._waiting = None, []

    def _say(self, kind: BlockKind, text: str | None) -> Iterator[Step]:
        if text:
            if kind not in self._current:
                yield from self._begin(kind, kind)
            yield from self._more(self._current[kind], text)

    def _call(self, call: ToolCallDelta) -> Iterator[Step]:
        key = ("call", call.index)
        function = call.function
        if key not in self._current:
            yield from self._begin(BlockKind.CALL, key, call.id or "", (function and function.name) or "")
        if function is not None and function.arguments:
            yield from self._more(self._current[key], function.arguments)

    def _begin(self, kind: BlockKind, key: Hashable, call_id: str = "", name: str = "") -> Iterator[Step]:
        block = Block(kind, len(self._blocks), call_id=call_id, name=name)
        self._blocks.append(block)
        self._current[key] = block
        if self._waiting or self._may_go_on():
            self._waiting.append(block)
            return
        if self._open is not None:
            yield Step(Change.ENDS, self._open)
            self._current.pop(self._open.kind, None)
        self._open = block
        yield Step(Change.BEGINS, block)

    def _may_go_on(self) -> bool:
        """Whether more may come of the block that is open."""
        if self._open is None:
            return False
        return self._open.kind is BlockKind.CALL or (self._held and self._open.kind is BlockKind.TEXT)

    def _more(self, block: Block, text: str) -> Iterator[Step]:
        block.text += text
        if block is self._open:
            yield Step(Change.SAYS, block, text)


def blocks_of(piece: ChoiceDelta) -> list[Block]:
    """The blocks of a whole choice, which came in one piece."""
    stream = BlockStream(held=True)
    for steps in (stream.feed(piece), stream.finish()):
        for _ in steps:
            pass
    return stream.blocks
