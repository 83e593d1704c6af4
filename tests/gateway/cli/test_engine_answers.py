"""Labelled rows at a gateway: what is no answer of a gateway's ends the work in one sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.engine_answers import Asker
from postil.registry.policy.policy import Policy
from postil.registry.training.dataset import Example
from tests.fakes.http import Receive, Scope, Send, read_body, serving


@pytest.mark.parametrize(
    ("status", "release", "body", "says"),
    [
        (429, "", {"error": {"message": "at most 4 at a time"}}, "many requests: at most 4 at a time; give a smaller"),
        (200, "other", {}, "other answered in place of base; ask a gateway of postil's"),
        (200, "", {}, "something else answered in place of base"),
        (200, "base", {"choices": []}, "does not answer as a postil gateway does; see POSTIL_URL"),
        (200, "base", [], "does not answer as a postil gateway does"),
        (200, "base", {"choices": [1]}, "does not answer as a postil gateway does"),
        (500, "", {}, "the gateway does not answer for base: http://.* answered 500"),
        (422, "", {}, "the gateway does not answer for base: "),
    ],
)
async def test_what_is_no_answer_is_told_apart(status: int, release: str, body: Any, says: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await answer(send, status, body, release)

    async with serving(app) as url:
        with pytest.raises(CommandError, match=says):
            await asyncio.to_thread(_ask_base, url)


async def test_turns_before_a_message_are_asked_too_and_tokens_give_the_probability() -> None:
    seen: list[Mapping[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(json.loads(await read_body(receive)))
        tokens = [
            {"token": '{"category": "', "logprob": 0.0},
            {"token": 'a"', "logprob": 0.0},
            {"token": "}", "logprob": 0},
        ]
        choice = {"message": {"content": '{"category": "a"}'}, "logprobs": {"content": tokens}}
        await answer(send, 200, {"choices": [choice]}, "base")

    async with serving(app) as url:
        found = await asyncio.to_thread(_ask_base, url)
    assert [(one.label, one.probability) for one in found] == [("a", 1.0)] * 2
    assert [turn["content"] for turn in seen[0]["messages"]] == ["before", "m"]


async def answer(send: Send, status: int, body: Any, release: str) -> None:
    """An answer that says which release it is of."""
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    more = [(b"x-postil-release", release.encode())] if release else []
    await send({"type": "http.response.start", "status": status, "headers": headers + more})
    await send({"type": "http.response.body", "body": content, "more_body": False})


def _ask_base(url: str) -> Any:
    rows = [Example("", "m", "a", 1, (("user", "before"),))] * 2
    with httpx.Client(base_url=url, trust_env=False) as client:
        return Asker(client, "category", 2, lambda more: None).base(Policy(), rows)
