"""The console in a real Chromium: a day's work by its pages, which break no rule of their policy nor of axe's.

``POSTIL_TEST_SCREENSHOTS`` names a folder for pictures of every page.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from postil.registry.artifacts.archives.pack import pack
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.channel_acts import put, spoil, traffic
from tests.gateway.conftest import House, running_house
from tests.support.chromium import running_chromium

NAME = "healthcare/triage"
POLICY = """
system_prompt: Sort the message.
output: {labels: [symptoms, appointment, billing]}
validators: [{name: labels}, {name: confidence, config: {minimum: 0.5}}]
fallback: [{name: review, config: {content: '{"category": "wait"}'}}]
"""
HOSTILE = "<img src=x onerror=alert(1)> {{ 7 * 7 }} \u202eevil"
# Counts every violation of the page's policy, from the first moment of each page.
WATCH = (
    "document.addEventListener('securitypolicyviolation', (e) => console.error('violation: ' + e.violatedDirective))"
)
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@dataclass
class Visit:
    """One person's browser, and what went wrong in it."""

    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)

    async def look(self, name: str) -> None:
        """Hold the page against axe's rules in light and dark, and see that a phone need not scroll sideways."""
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            await self.page.emulate_media(color_scheme=scheme)
            found = (await Axe().run(self.page)).response["violations"]
            self.troubles += [f"{name}, {scheme}: {one['id']} {one['nodes'][0]['html']}" for one in found]
            for size in (PHONE, DESK):
                await self.page.set_viewport_size(size)  # type: ignore[arg-type]
                width = await self.page.evaluate("document.documentElement.scrollWidth")
                self.troubles += [f"{name} is {width} wide at {size['width']}"] if width > size["width"] else []
                if folder := os.environ.get("POSTIL_TEST_SCREENSHOTS"):
                    path = Path(folder) / f"{name}-{size['width']}-{scheme}.png"
                    await self.page.screenshot(path=path, full_page=True)
        await self.page.emulate_media(color_scheme="light")

    async def fill(self, label: str, text: str) -> None:
        await self.page.get_by_role("textbox", name=re.compile(f"^{label}")).fill(text)

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name).click()

    async def open(self, name: str) -> None:
        """Unfold a form."""
        await self.page.locator("summary", has_text=name).click()

    async def count_forms(self) -> None:
        """Count the forms that this page sends from now on."""
        await self.page.evaluate("window.sent = 0; document.addEventListener('submit', () => { window.sent += 1 })")

    async def forms_sent(self) -> int:
        return int(await self.page.evaluate("window.sent"))

    async def text(self) -> str:
        return await self.page.locator("main").inner_text()


async def published(house: House, seed: int, note: str) -> None:
    """Publish a release with a note of its own."""
    packed = io.BytesIO()
    pack(write_adapter(house.folder / str(seed), seed=seed), packed)
    body: dict[str, Any] = {"data": {"note": note, "policy": POLICY}, "files": {"artifact": packed.getvalue()}}
    answer = await house.admin("POST", f"/api/v1/adapters/{NAME}/releases", **body)
    assert answer.status_code == 201, answer.text


def answer_by_release(house: House) -> None:
    """Have the base talk, and release 3 say another label than the others, and be unsure."""
    third = house.runtime.catalog.current.entries[NAME].releases[3].engine_name

    def reply(body: dict[str, Any]) -> Reply:
        if body["model"] == "base":
            return Reply("A headache since Monday may be a migraine. Drink enough, and see a doctor tomorrow.")
        return Reply('{"category": "appointment"}', logprob=-1.5) if body["model"] == third else Reply()

    house.engine.reply = reply


@pytest.fixture
async def clinic(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """Two releases, the second tried on some traffic, and answers that wait for a person."""
    async with running_house(tmp_path, *engine_at) as house:
        for seed, note in enumerate(("trained on 400 messages", "spelling errors", "messages of September")):
            await published(house, seed, note)
        promoted = {"release": 1, "reason": "96 % on the validation set"}
        await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json=promoted)
        key = await house.tenant("clinic", "healthcare")
        await put(house, "canary/steps", release=2, steps=[30, 50, 75])
        await traffic(house, key, range(40))
        house.engine.reply = lambda body: Reply(logprob=-1.5)
        for text in (HOSTILE, "my head hurts since Monday, and the light makes it worse"):
            await house.ask(key, text)
        spoil(house)
        yield house


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@pytest.fixture
async def visit(clinic: House, chromium: Browser) -> AsyncIterator[Visit]:
    """A browser in front of the console; what went wrong in it fails the test."""
    context = await chromium.new_context(viewport=DESK)  # type: ignore[arg-type]
    await context.add_init_script(WATCH)
    page = await context.new_page()
    found = Visit(page, clinic.url)
    page.on("pageerror", lambda error: found.troubles.append(f"error: {error}"))
    page.on("dialog", lambda dialog: found.troubles.append(f"dialog: {dialog.message}"))
    page.on("console", lambda said: found.troubles.append(said.text) if "violation" in said.text else None)
    yield found
    await context.close()
    assert not found.troubles, "\n".join(found.troubles)


async def test_a_person_promotes_rolls_back_and_decides_by_the_pages_alone(clinic: House, visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{visit.url}/console")
    await visit.look("login")
    await visit.fill("Key", clinic.admin_key)
    await visit.fill("Your name", "Mona")
    await visit.press("Sign in")
    await page.wait_for_url("**/console")
    assert "2 reviews of healthcare" in await visit.text()
    await visit.look("home")
    await page.get_by_role("link", name=NAME).click()
    await visit.look("adapter")
    await visit.open("Promote @2")
    await visit.fill("Reason", "as good on forty requests")
    await visit.press("Promote @2")
    await page.get_by_text("The release is live.").wait_for()
    assert "by Mona, “as good on forty requests”" in await visit.text()
    await visit.open("Roll back")
    await visit.fill("Reason", "a doctor complained")
    await visit.press("Roll back to @1")
    await page.get_by_text("The release is live again.").wait_for()
    assert clinic.runtime.catalog.current.entries[NAME].live == 1
    await page.get_by_role("link", name="@3", exact=True).click()
    await visit.look("release")
    await page.get_by_role("link", name="Compare it with what is live").click()
    assert "Both have the same policy." in await visit.text()
    await visit.look("compare")
    await page.go_back()
    await page.get_by_role("link", name="Ask it in the playground").click()
    await visit.look("playground-empty")
    answer_by_release(clinic)
    await visit.fill("What a user says", "my head hurts since Monday, can I see somebody tomorrow?")
    await visit.press("Ask")
    await page.get_by_role("heading", name="Word by word").wait_for()
    assert f"{NAME}@3" in await visit.text()
    assert await page.locator("ins").inner_text() == "appointment"
    await visit.look("playground")
    await page.get_by_role("link", name="Usage").click()
    assert "clinic" in await visit.text()
    await visit.look("usage")
    await page.get_by_role("link", name="Log").click()
    assert "a doctor complained" in await visit.text()
    await visit.look("log")
    await page.get_by_role("link", name="Reviews").click()
    await visit.look("reviews")
    await page.locator("tbody a").first.click()
    assert HOSTILE.replace("\u202e", "\\u202e") in await visit.text()
    await visit.look("review")
    await page.keyboard.press("?")
    await page.get_by_role("dialog").get_by_text("billing").wait_for()
    await visit.press("Close")
    await visit.count_forms()
    for _ in range(2):
        await page.keyboard.press("3")
    assert await visit.forms_sent() == 0  # A key moves to its button alone.
    await page.keyboard.press("Enter")
    await page.get_by_text("Corrected. This is the next one.").wait_for()
    await visit.press("Undo my decision")
    await page.get_by_text("Undone: it is open again").wait_for()
    await page.get_by_role("button", name="3 billing").click()
    await page.get_by_text("Corrected. This is the next one.").wait_for()
    await visit.look("next")
    await visit.count_forms()
    await visit.fill("Remark", "12ar")  # Keys decide nothing while somebody types.
    await page.keyboard.press("Enter")
    assert await visit.forms_sent() == 0
    await page.get_by_role("button", name="Approve the answer").click()
    await page.get_by_text("No other review waits for you.").wait_for()
    await page.goto(f"{visit.url}/console/nothing")
    await visit.look("missing")
    await visit.press("Sign out")
    await page.wait_for_url("**/console/login")
    decided = (await clinic.admin("GET", "/api/v1/reviews")).json()["data"]
    assert [(one["status"], one["decided_by"]) for one in decided] == [("edited", "Mona"), ("approved", "Mona")]


async def test_every_page_works_without_scripts(clinic: House, chromium: Browser) -> None:
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    visit = Visit(page, clinic.url)
    await page.goto(f"{visit.url}/console/reviews")
    await visit.fill("Key", clinic.admin_key)
    await visit.press("Sign in")
    await page.locator("tbody a").first.click()
    await visit.press("1 symptoms")
    await page.get_by_text("This is the next one.").wait_for()
    await context.close()
