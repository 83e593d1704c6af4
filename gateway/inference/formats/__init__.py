"""Wire formats: one file each, and which endpoint speaks which."""

from __future__ import annotations

from collections.abc import Mapping

from postil.gateway.inference.formats.base import Kind, WireFormat
from postil.gateway.inference.formats.openai_chat import OpenAIChat
from postil.gateway.inference.formats.openai_text import OpenAIText

__all__ = ["FORMATS", "Kind", "WireFormat"]

FORMATS: Mapping[Kind, WireFormat] = {Kind.CHAT: OpenAIChat(), Kind.TEXT: OpenAIText()}
