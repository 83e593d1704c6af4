"""Translates a request to ``/v1/responses`` to a chat's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.formats.openai_responses import table
from postil.gateway.inference.formats.openai_responses.items import read_input
from postil.gateway.inference.formats.other_fields import check_other_fields, fields_in_chat

_FORMATS = ("text", "json_object", "json_schema")
_SCHEMA = ("name", "description", "schema", "strict")
_FUNCTION = ("name", "description", "parameters", "strict")


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are honoured. Raises BadRequestError."""
    return check_other_fields(table.PATH, table.FIELDS, table.REQUIRED, body)


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The chat for fields that were checked. Raises BadRequestError."""
    if table.LOGPROBS in asked.get("include", ()):
        why = f"`{table.LOGPROBS}` is not taken here; ask /v1/chat/completions for log-probabilities"
        raise BadRequestError(why, param="include", code="unsupported_parameter")
    chat = fields_in_chat(table.FIELDS, asked)
    chat["messages"] = read_input(asked["input"]).messages(asked.get("instructions"))
    if asked.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    if "max_output_tokens" in asked:
        chat["max_tokens"] = asked["max_output_tokens"]
    if (user := asked.get("user") or asked.get("safety_identifier")) is not None:
        chat["user"] = user
    if (effort := asked.get("reasoning", {}).get("effort")) is not None:
        chat["reasoning_effort"] = effort
    if (form := asked.get("text", {}).get("format")) is not None:
        chat["response_format"] = _response_format(form)
    _put_tools(chat, asked)
    return chat


def echoed(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as the response has them, once ``chat_of`` took them: what is not known in them stays behind."""
    taken = dict(asked)
    if (form := asked.get("text", {}).get("format")) is not None:
        taken["text"] = {"format": _known(form, _SCHEMA if form["type"] == "json_schema" else ())}
    if "tools" in asked:
        taken["tools"] = [_known(tool, _FUNCTION) for tool in asked["tools"]]
    if type(choice := asked.get("tool_choice")) is dict:
        taken["tool_choice"] = _known(choice, ("name",))
    return taken


def _known(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: given[name] for name in ("type", *names) if given.get(name) is not None}


def _response_format(form: Mapping[str, Any]) -> dict[str, Any]:
    kind = form.get("type")
    if kind not in _FORMATS:
        raise BadRequestError(f"text.format has to have one of the types {', '.join(_FORMATS)}", param="text.format")
    if kind != "json_schema":
        return {"type": kind}
    if type(form.get("schema")) is not dict:
        raise BadRequestError("text.format has to have an object as `schema`", param="text.format")
    return {"type": kind, kind: {name: form[name] for name in _SCHEMA if form.get(name) is not None}}


def _put_tools(chat: dict[str, Any], asked: Mapping[str, Any]) -> None:
    """Tools, and the choice among them: without tools there is none to choose."""
    tools = asked.get("tools")
    if tools:
        chat["tools"] = _tools(tools)
    choice = asked.get("tool_choice")
    if choice is None or (not tools and choice in ("auto", "none")):
        return
    if type(choice) is str:
        chat["tool_choice"] = choice
    elif choice.get("type") == "function":
        chat["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    else:
        raise BadRequestError(
            'tool_choice has to be none, auto, required, or {"type": "function", "name": ...}', param="tool_choice"
        )


def _tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    for number, tool in enumerate(tools):
        if tool.get("type") != "function":
            raise BadRequestError(
                f"tools[{number}] is a hosted or custom tool, and none is run here; send functions, of type function",
                param="tools",
            )
    return [
        {"type": "function", "function": {name: tool[name] for name in _FUNCTION if tool.get(name) is not None}}
        for tool in tools
    ]
