"""OpenAI's Responses as a format: a request in, a response or its events out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference.formats.blocks import blocks_of
from postil.gateway.inference.formats.events import ChoiceDelta
from postil.gateway.inference.formats.openai_responses import table
from postil.gateway.inference.formats.openai_responses.answer import ResponseObject, item_status
from postil.gateway.inference.formats.openai_responses.request import chat_of, checked, echoed
from postil.gateway.inference.formats.openai_responses.stream import ResponseEvents
from postil.gateway.inference.formats.translated import ChatAnswer


class ResponseTranslation:
    """One request to ``/v1/responses``."""

    def __init__(self, asked: Mapping[str, Any], chat: dict[str, Any]) -> None:
        self.chat = chat
        self._response = ResponseObject(asked)

    def answer(self, answer: ChatAnswer, choice: ChoiceDelta) -> Mapping[str, Any]:
        """The chat's answer as a response."""
        response, blocks, finish = self._response, blocks_of(choice), choice.finish_reason
        response.model = answer.model or response.model
        response.created = answer.created
        last = len(blocks) - 1
        output = [response.item(block, item_status(finish, last=number == last)) for number, block in enumerate(blocks)]
        more = {"postil": answer.postil} if answer.postil else {}
        return {**response.ended(output, finish, answer.usage), **more}

    def events(self, *, held: bool) -> ResponseEvents:
        """What writes a stream."""
        return ResponseEvents(self._response, held=held)


class OpenAIResponses:
    """``/v1/responses``."""

    path = table.PATH
    fields = table.FIELDS
    required = table.REQUIRED
    needs_limit = False
    renamed = table.RENAMED

    def translate(self, body: dict[str, Any]) -> ResponseTranslation:
        """Translate a request. Raises BadRequestError."""
        asked = checked(body)
        chat = chat_of(asked)
        return ResponseTranslation(echoed(asked), chat)
