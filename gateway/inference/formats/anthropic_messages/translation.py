"""Anthropic's Messages as a format: a request in, a message or its events out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from postil.gateway.inference.formats.anthropic_messages import table
from postil.gateway.inference.formats.anthropic_messages.answer import MessageObject, ending_of, is_whole, was_cut
from postil.gateway.inference.formats.anthropic_messages.request import chat_of, checked, tells_thoughts
from postil.gateway.inference.formats.anthropic_messages.stream import MessageEvents
from postil.gateway.inference.formats.blocks import BlockKind, blocks_of
from postil.gateway.inference.formats.events import ChoiceDelta
from postil.gateway.inference.formats.translated import ChatAnswer


class MessageTranslation:
    """One request to ``/v1/messages``."""

    def __init__(self, asked: Mapping[str, Any], chat: dict[str, Any]) -> None:
        self.chat = chat
        self._message = MessageObject(asked, thoughts=tells_thoughts(asked))

    def answer(self, answer: ChatAnswer, choice: ChoiceDelta) -> Mapping[str, Any]:
        """The chat's answer as a message. Raises UnvalidatedError where a call's arguments are no object."""
        message, blocks = self._message, blocks_of(choice)
        message.model = answer.model or message.model
        shown = message.shown(blocks)
        if was_cut(choice):  # A call that is not whole is none.
            shown = [block for block in shown if block.kind is not BlockKind.CALL or is_whole(block)]
        more = {"postil": answer.postil} if answer.postil else {}
        content = [message.block(block) for block in shown]
        return {**message.write(content, ending_of(choice, blocks), answer.usage), **more}

    def events(self, *, held: bool) -> MessageEvents:
        """What writes a stream."""
        return MessageEvents(self._message, held=held)


class AnthropicMessages:
    """``/v1/messages``, or what counts the tokens of such a request, which need not bound an answer."""

    fields = table.FIELDS
    needs_limit = True
    renamed = table.RENAMED

    def __init__(self, path: str = table.PATH, required: Sequence[str] = table.REQUIRED) -> None:
        self.path, self.required = path, required

    def translate(self, body: dict[str, Any]) -> MessageTranslation:
        """Translate a request. Raises BadRequestError."""
        asked = checked(self.path, self.required, body)
        return MessageTranslation(asked, chat_of(asked))
