"""People who are signed in to the console, over plain HTTP as a browser without JavaScript is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import pytest

from postil.registry.accounts.keys import Role
from tests.gateway.conftest import House
from tests.gateway.tenancy.test_roles import staff
from tests.support.plain_http import plain_client

SAME: Mapping[str, str] = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Browser:
    """Keeps its own cookies, and sends forms as pages of this origin do."""

    client: httpx.AsyncClient

    async def get(self, path: str, **arguments: Any) -> httpx.Response:
        return await self.client.get(path, **arguments)

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form; redirects are not followed."""
        return await self.send_as(SAME, path, **fields)

    async def send_as(self, headers: Mapping[str, str], path: str, **fields: str) -> httpx.Response:
        """Send a form with what a browser says of where it comes from."""
        return await self.client.post(path, data=fields, headers=headers)

    async def text(self, path: str) -> str:
        """The text of a page that there is."""
        answer = await self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    async def login(self, key: str, **fields: str) -> httpx.Response:
        return await self.send("/console/login", key=key, **fields)


class People:
    """Opens browsers at a gateway, and closes them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._browsers: list[Browser] = []

    def browser(self) -> Browser:
        """A browser that nobody is signed in with."""
        self._browsers.append(Browser(plain_client(self.house.url, timeout=30)))
        return self._browsers[-1]

    async def signed_in(self, role: Role | None = None, *domains: str, owner: str = "ann") -> Browser:
        """A browser signed in with a new key of a role, or with the admin key."""
        key = self.house.admin_key if role is None else (await staff(self.house, role, *domains, owner=owner)).key
        browser = self.browser()
        answer = await browser.login(key)
        assert answer.status_code == 303, answer.text
        return browser

    async def close(self) -> None:
        for browser in self._browsers:
            await browser.client.aclose()


@pytest.fixture
async def people(house: House) -> AsyncIterator[People]:
    """People in front of the console."""
    found = People(house)
    yield found
    await found.close()


def forms(text: str) -> set[str]:
    """The addresses that the forms of a page are sent to, but the one that signs out."""
    found = re.findall(r'<form[^>]*method="post" action="([^"]+)"|formaction="([^"]+)"', text)
    return {unescape(one or other) for one, other in found} - {"/console/logout"}
