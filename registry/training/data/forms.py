"""The forms of training data that are in use: which one a record has, and the row that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from postil.registry.training.data.problems import RowError
from postil.registry.training.data.rows import (
    CompletionRow,
    FeedbackRow,
    InstructionRow,
    Kind,
    MessagesRow,
    PreferenceRow,
    Prompt,
    Role,
    Row,
    TextRow,
    Turn,
)

ROLES: tuple[Role, ...] = ("system", "user", "assistant")
_AS_SYSTEM = "developer"
_TURN = 'write each turn as {"role": ..., "content": ...}, with a role of "system", "user", "assistant"'
_QUOTES = "put it in quotes; the output too is a JSON text"
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A form: its ``kind``, the keys it needs, those that show it, and how a row is made."""

    kind: Kind
    keys: tuple[str, ...]
    shown_by: tuple[tuple[str, ...], ...]
    row: Callable[[int, Values], Row]

    def fits(self, values: Values) -> bool:
        """Whether a record has all keys of one of the groups that show this form."""
        return any(all(key in values for key in group) for group in self.shown_by)


def form_of(values: Values) -> Form:
    """Return the form of a record. Raises RowError."""
    for form in FORMS:
        if form.fits(values):
            return form
    found = f"the keys {quoted(sorted(values)[:6])} are" if values else "an object without keys is"
    raise RowError(f"{found} no known form of training data", "write one of " + "; ".join(map(named, FORMS)))


def named(form: Form) -> str:
    """The keys of a form, as people call it."""
    return "/".join(form.keys)


def quoted(names: Iterable[str]) -> str:
    """The names in quotes, separated by commas."""
    return ", ".join(f'"{name}"' for name in names)


def is_text(value: object) -> bool:
    """Whether it is a text without halves of pairs, which no tokenizer takes."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _instruction(line: int, values: Values) -> Row:
    instruction, output = _text(values, "instruction"), _text(values, "output")
    asked = _text(values, "input") if "input" in values else ""
    if not instruction.strip() and not asked.strip():
        _refuse("instruction and input are empty, so the input is empty", "write the message or delete the line")
    history = _history(values.get("history") or [])
    return InstructionRow(
        line=line, raw=values, instruction=instruction, input=asked, output=_full(output, "output"), history=history
    )


def _messages(line: int, values: Values) -> Row:
    if values.get("tools") or values.get("functions"):
        _refuse("the row has tools, which are not trained", "delete the line")
    turns = _turns(values["messages"], "messages")
    if turns[-1].role != "assistant":
        _refuse("the last message is not the assistant's", "end the conversation with the answer to learn")
    if len(turns) == 1:
        _refuse("nobody asks anything before the assistant's message", "write the user's message before it")
    _full(turns[-1].content, "last message")
    return MessagesRow(line=line, raw=values, messages=turns)


def _completion(line: int, values: Values) -> Row:
    prompt, completion = _prompt(values, "prompt"), _answer(values, "completion")
    return CompletionRow(line=line, raw=values, prompt=prompt, completion=completion)


def _preference(line: int, values: Values) -> Row:
    chosen, rejected = _answer(values, "chosen"), _answer(values, "rejected")
    return _pair(line, values, _prompt(values, "prompt"), chosen, rejected)


def _openai_preference(line: int, values: Values) -> Row:
    asked = values.get("input")
    if not isinstance(asked, dict):
        _refuse("'input' is not an object with messages", 'write {"messages": [...]}')
    if asked.get("tools"):
        _refuse("the row has tools, which are not trained", "delete the line")
    prompt = _turns(asked.get("messages"), "input")
    chosen, rejected = _answer(values, "preferred_output"), _answer(values, "non_preferred_output")
    return _pair(line, values, prompt, chosen, rejected)


def _pair(line: int, values: Values, prompt: Prompt, chosen: str, rejected: str) -> Row:
    if chosen == rejected:
        _refuse("the better and the worse answer are the same", "change one or delete the line")
    return PreferenceRow(line=line, raw=values, prompt=prompt, chosen=chosen, rejected=rejected)


def _feedback(line: int, values: Values) -> Row:
    label = values["label"]
    if label not in (True, False):
        _refuse("'label' is neither true nor false", "say whether the completion is wanted")
    prompt, completion = _prompt(values, "prompt"), _answer(values, "completion")
    return FeedbackRow(line=line, raw=values, prompt=prompt, completion=completion, label=bool(label))


def _plain(line: int, values: Values) -> Row:
    if "label" in values:
        remedy = 'write "instruction", "input" and "output", or leave the label out to learn the text itself'
        _refuse("a text with a label is no known form", remedy)
    return TextRow(line=line, raw=values, text=_full(_text(values, "text"), "text"))


FORMS: Sequence[Form] = (
    Form("messages", ("messages",), (("messages",),), _messages),
    Form(
        "preference",
        ("input", "preferred_output", "non_preferred_output"),
        (("preferred_output",), ("non_preferred_output",)),
        _openai_preference,
    ),
    Form("preference", ("prompt", "chosen", "rejected"), (("chosen",), ("rejected",)), _preference),
    Form("feedback", ("prompt", "completion", "label"), (("prompt", "completion", "label"),), _feedback),
    Form("completion", ("prompt", "completion"), (("prompt",), ("completion",)), _completion),
    Form("instruction", ("instruction", "input", "output"), (("instruction",), ("input",), ("output",)), _instruction),
    Form("text", ("text",), (("text",),), _plain),
)
KEYS = frozenset(key for form in FORMS for key in form.keys)


def _text(values: Values, key: str) -> str:
    if key not in values:
        needed = next(form for form in FORMS if key in form.keys and form.fits(values))
        _refuse(f"the key {key!r} is missing", f"every line needs {quoted(needed.keys)}")
    if not is_text(values[key]):
        _refuse(f"{key!r} is not a text", _QUOTES)
    return cast(str, values[key])


def _full(text: str, what: str) -> str:
    if not text.strip():
        _refuse(f"the {what} is empty", "write it or delete the line")
    return text


def _prompt(values: Values, key: str) -> Prompt:
    given = values.get(key)
    return _turns(given, key) if isinstance(given, list) else _full(_text(values, key), key)


def _answer(values: Values, key: str) -> str:
    """A text, or one message of the assistant."""
    given = values.get(key)
    if not isinstance(given, list):
        return _full(_text(values, key), key)
    turns = _turns(given, key)
    if len(turns) != 1 or turns[0].role != "assistant":
        _refuse(f"{key!r} is not one message of the assistant", "put what comes before it into the prompt")
    if not turns[0].trained:
        _refuse(f"{key!r} has weight 0, so it is not learned", "take the weight out or delete the line")
    return _full(turns[0].content, key)


def _history(turns: object) -> tuple[Turn, ...]:
    if not isinstance(turns, list):
        _refuse("the history is not a list of turns", _TURN)
    return tuple(_turn(turn, "the history") for turn in turns)


def _turns(turns: object, key: str) -> tuple[Turn, ...]:
    if not isinstance(turns, list) or not turns:
        _refuse(f"{key!r} is not a list of turns", _TURN)
    return tuple(_turn(turn, repr(key)) for turn in turns)


def _turn(turn: object, where: str) -> Turn:
    if not isinstance(turn, dict):
        _refuse(f"{where} is not a list of turns", _TURN)
    if turn.get("tool_calls") or turn.get("function_call") or turn.get("role") in ("tool", "function"):
        _refuse(f"{where} has calls of tools, which are not trained", "delete the line")
    role = "system" if turn.get("role") == _AS_SYSTEM else turn.get("role")
    content = _joined(turn.get("content"))
    if role not in ROLES or not is_text(content):
        _refuse(f"{where} is not a list of turns", _TURN)
    return Turn(role, content, turn.get("weight") != 0)


def _joined(content: object) -> Any:
    """A content of text parts as one text; another as it is."""
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return " ".join(str(part.get("text")) for part in content)
    return content


def _refuse(what: str, remedy: str) -> NoReturn:
    raise RowError(what, remedy)
