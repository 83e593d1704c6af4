"""A real Chromium for tests of pages. Where there is none, a person's run skips them; CI fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_HOW = "install Chromium to test the console's pages: `make tools`, or `apt-get install chromium` as root"
# Playwright makes a fresh profile for each start.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str:
    """Return the browser's program. Skips the test where there is none; in CI it fails instead."""
    for name in _NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    if os.environ.get("CI"):
        pytest.fail(_HOW)
    pytest.skip(_HOW)


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Run the browser until the block ends."""
    path = chromium_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
