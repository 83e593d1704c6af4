"""Wire formats: one file each, and which endpoint speaks which."""

from __future__ import annotations

from collections.abc import Mapping

from postil.gateway.inference.formats.anthropic_messages import table
from postil.gateway.inference.formats.anthropic_messages.translation import AnthropicMessages
from postil.gateway.inference.formats.base import Kind, WireFormat
from postil.gateway.inference.formats.openai_chat import OpenAIChat
from postil.gateway.inference.formats.openai_responses.translation import OpenAIResponses
from postil.gateway.inference.formats.openai_text import OpenAIText
from postil.gateway.inference.formats.translated import TranslatedFormat

__all__ = ["COUNT", "FORMATS", "TRANSLATED", "Kind", "TranslatedFormat", "WireFormat"]

FORMATS: Mapping[Kind, WireFormat] = {Kind.CHAT: OpenAIChat(), Kind.TEXT: OpenAIText()}
# Of these, requests are translated to chats, and answers back.
TRANSLATED: tuple[TranslatedFormat, ...] = (OpenAIResponses(), AnthropicMessages())
# A request of this one is not answered: its tokens are counted.
COUNT: TranslatedFormat = AnthropicMessages(table.COUNT_PATH, table.COUNT_REQUIRED)
