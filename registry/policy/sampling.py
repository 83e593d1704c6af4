"""Sampling parameters of a policy: their types and bounds, as vLLM 0.32 takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from postil.registry.errors import PolicyError
from postil.registry.policy.complaints import did_you_mean

_Check = Callable[[Any], bool]
_MOST_STOPS = 64


def _whole(least: int, most: int) -> _Check:
    return lambda value: type(value) is int and least <= value <= most


def _number(least: float, most: float) -> _Check:
    return lambda value: type(value) in (int, float) and least <= value <= most


def _texts(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return 0 < len(listed) <= _MOST_STOPS and all(isinstance(text, str) and text for text in listed)


def _token_ids(value: Any) -> bool:
    return isinstance(value, list) and all(type(token) is int and token >= 0 for token in value)


def _biases(value: Any) -> bool:
    return isinstance(value, dict) and all(
        token.isdecimal() and type(bias) in (int, float) and abs(bias) <= 100 for token, bias in value.items()
    )


_POSITIVE = "a whole number from 1 on"
_FLAG: tuple[_Check, str] = (lambda value: isinstance(value, bool), "true or false")
# What each may be, and that in words.
_KNOWN: Mapping[str, tuple[_Check, str]] = {
    "max_tokens": (_whole(1, 2**31 - 1), _POSITIVE),
    "max_completion_tokens": (_whole(1, 2**31 - 1), _POSITIVE),
    "min_tokens": (_whole(0, 2**31 - 1), "a whole number from 0 on"),
    "temperature": (_number(0, 2), "a number from 0 to 2"),
    "top_p": (lambda value: _number(0, 1)(value) and value > 0, "a number above 0 and up to 1"),
    "min_p": (_number(0, 1), "a number from 0 to 1"),
    "top_k": (_whole(-1, 2**31 - 1), "a whole number, or -1 for all"),
    "presence_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "frequency_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "repetition_penalty": (lambda value: _number(0, 2)(value) and value > 0, "a number above 0 and up to 2"),
    "seed": (_whole(-(2**63), 2**63 - 1), "a whole number of 64 bits"),
    "stop": (_texts, f"a text, or a list of up to {_MOST_STOPS} texts"),
    "bad_words": (_texts, f"a list of up to {_MOST_STOPS} texts"),
    "stop_token_ids": (_token_ids, "a list of token ids"),
    "allowed_token_ids": (_token_ids, "a list of token ids"),
    "logit_bias": (_biases, "token ids with numbers from -100 to 100"),
    "ignore_eos": _FLAG,
    "skip_special_tokens": _FLAG,
    "spaces_between_special_tokens": _FLAG,
    "include_stop_str_in_output": _FLAG,
    "include_reasoning": _FLAG,
    "chat_template_kwargs": (lambda value: isinstance(value, dict), "a mapping"),
}


def check_sampling(where: str, sampling: Mapping[str, Any], window: int | None = None) -> None:
    """Refuse parameters that vLLM would refuse in every request. ``window`` is the engine's context in tokens.

    Raises PolicyError with one sentence that names ``where`` it stands.
    """
    for name, value in sampling.items():
        if name not in _KNOWN:
            raise PolicyError(f"policy: {where}.{name[:80]} is no sampling parameter{did_you_mean(name, _KNOWN)}")
        good, words = _KNOWN[name]
        if not good(value):
            raise PolicyError(f"policy: {where}.{name} is {str(value)[:40]!r}; it has to be {words}")
        if name in ("max_tokens", "max_completion_tokens") and window is not None and value > window:
            raise PolicyError(
                f"policy: {where}.{name} is {value}, more than the engine's context of {window} tokens; choose less"
            )
