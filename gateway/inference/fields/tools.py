"""Reads tools, the choice among them, and the calls of tools in earlier messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.body_limits import outside_strings

MOST_TOOLS = 128
_NAME, _DESCRIPTION = 128, 65536
_DEEPEST = 64
_CHOICES = frozenset({"none", "auto", "required"})
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def read_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """The tools, each a function with a name; what else stands in them is left out. Raises BadRequestError."""
    if len(tools) > MOST_TOOLS:
        raise BadRequestError(f"tools has more than {MOST_TOOLS} entries; send fewer", param="tools")
    return [_tool(number, tool) for number, tool in enumerate(tools)]


def read_tool_choice(choice: Any, tools: Sequence[Mapping[str, Any]]) -> Any:
    """The choice, which names a tool that there is if it names one. Raises BadRequestError."""
    if type(choice) is str:
        return choice
    function = choice.get("function")
    name = function.get("name") if type(function) is dict else None
    if choice.get("type") != "function" or name not in [tool["function"]["name"] for tool in tools]:
        raise BadRequestError(
            'tool_choice has to be none, auto, required, or {"type": "function", "function": {"name": ...}} with one'
            " of the tools",
            param="tool_choice",
        )
    return {"type": "function", "function": {"name": name}}


def read_calls(calls: Any, refused: Callable[[str], BadRequestError]) -> list[dict[str, Any]]:
    """The calls of tools in a message; raises what ``refused`` makes of a sentence."""
    if type(calls) is not list or len(calls) > MOST_TOOLS:
        raise refused(f"has to have a list of at most {MOST_TOOLS} as `tool_calls`")
    return [_call(call, refused) for call in calls]


def _tool(number: int, tool: Any) -> dict[str, Any]:
    function = tool.get("function") if type(tool) is dict else None
    if type(function) is not dict or tool.get("type") != "function":
        raise BadRequestError(f"tools[{number}] has to be an object of type function with a `function`", param="tools")
    if not _is_text(function.get("name"), _NAME) or not function["name"]:
        raise BadRequestError(f"tools[{number}] has to have a name of at most {_NAME} characters", param="tools")
    for key, fits in _FUNCTION.items():
        if function.get(key) is not None and not fits(function[key]):
            raise BadRequestError(f"tools[{number}] has a `{key}` of the wrong type", param="tools")
    read = {key: function[key] for key in ("name", *_FUNCTION) if function.get(key) is not None}
    return {"type": "function", "function": read}


def _call(call: Any, refused: Callable[[str], BadRequestError]) -> dict[str, Any]:
    function = call.get("function") if type(call) is dict else None
    if type(function) is not dict or call.get("type", "function") != "function":
        raise refused("has a tool call that is not an object of type function with a `function`")
    name, arguments, identity = function.get("name"), function.get("arguments"), call.get("id")
    if not _is_text(name, _NAME) or not (arguments is None or type(arguments) is str):
        raise refused("has a tool call without a name and arguments, both strings")
    if not (identity is None or _is_text(identity, _NAME)):
        raise refused("has a tool call whose id is not a short string")
    if arguments and _is_deep(arguments):
        raise refused(f"has a tool call whose arguments exceed {_DEEPEST} levels of JSON nesting")
    read = {"type": "function", "function": {"name": name, "arguments": arguments or ""}}
    return read if identity is None else {"id": identity, **read}


def _is_deep(arguments: str) -> bool:
    """Whether a template that reads the arguments as JSON would have to go too deep. Few brackets cannot be deep.

    They are not decoded: that can take a second for a megabyte of numbers.
    """
    if arguments.count("[") + arguments.count("{") <= _DEEPEST:
        return False
    depth = 0
    for bracket in outside_strings(arguments.encode()).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > _DEEPEST:
            return True
    return False


def _is_text(value: Any, most: int) -> bool:
    return type(value) is str and len(value) <= most


_FUNCTION: Mapping[str, Callable[[Any], bool]] = {
    "description": lambda value: _is_text(value, _DESCRIPTION),
    "parameters": lambda value: type(value) is dict,
    "strict": lambda value: type(value) is bool,
}
