"""Paraphrases by an OpenAI-compatible endpoint that the user names: bounded, and only as good as what filters them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from postil.registry.errors import DatasetError

_TOLD = (
    "Rewrite the user's message in other words, as another person would write it. Keep its meaning, its language, and"
    " all names and numbers. Do not answer it. Reply with the rewritten message alone."
)
_MAX_BYTES = 1 << 20
_MAX_TOKENS = 400
_PATIENCE = 3


class Paraphraser:
    """Asks a model for other words; gives up after three failures in a row."""

    def __init__(self, client: httpx.Client, url: str, model: str) -> None:
        self._client = client
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self.failures = 0
        self.trouble = ""

    @property
    def is_useless(self) -> bool:
        """Whether it failed three times in a row."""
        return self.failures >= _PATIENCE

    def paraphrase(self, text: str, seed: int) -> str | None:
        """Return the text in other words, None where there was no answer; ``trouble`` says why then."""
        body = {
            "model": self._model,
            "messages": [{"role": "system", "content": _TOLD}, {"role": "user", "content": text}],
            "temperature": 0.9,
            "max_tokens": _MAX_TOKENS,
            "seed": seed,
        }
        try:
            answer = self._asked(body)
        except httpx.HTTPError as error:
            answer, self.trouble = None, f"it cannot be reached ({type(error).__name__})"
        self.failures = self.failures + 1 if answer is None else 0
        return answer

    def _asked(self, body: dict[str, Any]) -> str | None:
        """The content of the answer; None, and why, where there is none."""
        with self._client.stream("POST", self._url, json=body) as response:
            read = bytearray()
            for part in response.iter_bytes():
                read += part
                if len(read) > _MAX_BYTES:
                    self.trouble = "its answer is longer than 1 MiB"
                    return None
        if response.is_error:
            self.trouble = f"it answered {response.status_code}"
            return None
        content = _content(bytes(read))
        if content is None:
            self.trouble = "its answer is not a chat completion"
        return content


def check_endpoint(url: str) -> None:
    """Refuse what is no address of an API. Raises DatasetError."""
    try:
        parsed = httpx.URL(url)
        is_good = parsed.scheme in ("http", "https") and bool(parsed.host) and not parsed.userinfo
    except httpx.InvalidURL:
        is_good = False
    if not is_good:
        raise DatasetError("the endpoint is not an API's address; write it as https://host/v1, the key in a file")


def _content(raw: bytes) -> str | None:
    try:
        content = json.loads(raw)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    return " ".join(content.split()) if isinstance(content, str) else None
