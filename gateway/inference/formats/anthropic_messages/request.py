"""Translates a request to ``/v1/messages`` to a chat's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.formats.anthropic_messages import table
from postil.gateway.inference.formats.anthropic_messages.content import read_messages, read_system
from postil.gateway.inference.formats.other_fields import check_other_fields, fields_in_chat

# A chat's choice of tools, by this API's.
_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}


def checked(path: str, required: Sequence[str], body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are honoured. Raises BadRequestError."""
    return check_other_fields(path, table.FIELDS, required, body)


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The chat for fields that were checked. Raises BadRequestError."""
    chat = fields_in_chat(table.FIELDS, asked)
    chat["messages"] = read_messages(asked["messages"]).messages(read_system(asked.get("system")))
    if asked.get("stream"):
        # The first event says how many tokens the prompt has.
        chat["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    if asked.get("top_k"):
        chat["top_k"] = asked["top_k"]
    if asked.get("stop_sequences"):
        chat["stop"] = asked["stop_sequences"]
    if (user := asked.get("metadata", {}).get("user_id")) is not None:
        chat["user"] = user
    _put_output(chat, asked)
    _put_tools(chat, asked)
    return chat


def tells_thoughts(asked: Mapping[str, Any]) -> bool:
    """Whether the client wants to see what the model thought."""
    return asked.get("thinking", {}).get("type") in ("enabled", "adaptive")


def _put_output(chat: dict[str, Any], asked: Mapping[str, Any]) -> None:
    config = asked.get("output_config", {})
    if config.get("effort") is not None:
        chat["reasoning_effort"] = config["effort"]
    if asked.get("thinking", {}).get("type") == "disabled":
        chat["reasoning_effort"] = "none"
    if (form := config.get("format")) is not None:
        schema = {"name": "answer", "schema": form["schema"]}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}


def _put_tools(chat: dict[str, Any], asked: Mapping[str, Any]) -> None:
    tools, choice = asked.get("tools"), asked.get("tool_choice")
    if tools:
        chat["tools"] = [_tool(number, tool) for number, tool in enumerate(tools)]
    if choice is None or (not tools and choice["type"] in ("auto", "none")):
        return
    if choice["type"] == "tool":
        chat["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    else:
        chat["tool_choice"] = _CHOICES[choice["type"]]
    if choice.get("disable_parallel_tool_use"):
        chat["parallel_tool_calls"] = False


def _tool(number: int, tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        raise BadRequestError(
            f"tools[{number}] is one of Anthropic's own tools, and none is known here; send tools of type custom",
            param="tools",
        )
    if type(tool.get("input_schema")) is not dict:
        raise BadRequestError(f"tools[{number}] has to have an object as `input_schema`", param="tools")
    function = {name: tool[name] for name in ("name", "description", "strict") if tool.get(name) is not None}
    return {"type": "function", "function": {**function, "parameters": tool["input_schema"]}}
