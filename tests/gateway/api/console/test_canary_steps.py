"""A canary's steps on its adapter's page, and the forms that hold it and raise it."""

from __future__ import annotations

import re

from postil.registry.accounts.keys import Role
from tests.gateway.api.console.conftest import People, forms
from tests.gateway.api.console.test_adapter_pages import PAGE, act
from tests.gateway.channel_acts import canary, opened, put, state
from tests.gateway.conftest import House


async def in_steps(house: House) -> None:
    """Two releases, the second a canary in steps."""
    await opened(house)
    await put(house, "canary/steps", release=2, steps=[5, 25, 50])


async def test_the_page_shows_each_step_where_it_is_and_what_the_next_waits_for(house: House, people: People) -> None:
    await in_steps(house)
    text = await (await people.signed_in(Role.VIEWER)).text(PAGE)
    steps = text.partition('<ol class="steps">')[2].partition("</ol>")[0]
    assert re.findall(r'<li class="(\w+)"[^>]*>([\d.]+) %', steps) == [("now", "5"), ("later", "25"), ("later", "50")]
    assert steps.count('aria-current="step"') == 1
    assert "The next step, 25 %: 0 of 200 requests are judged on every signal, whichever tenant is left out." in text


async def test_a_publisher_holds_it_makes_the_next_step_and_lets_it_go_on(house: House, people: People) -> None:
    await in_steps(house)
    ann = await people.signed_in(Role.PUBLISHER, "healthcare")
    step = {f"{PAGE}/canary-next", f"{PAGE}/canary-continue", f"{PAGE}/canary-hold"}
    assert forms(await ann.text(PAGE)) & step == {f"{PAGE}/canary-next", f"{PAGE}/canary-hold"}
    assert await act(ann, "canary-hold", canary=2, share=5) == 303
    text = await ann.text(PAGE)
    assert forms(text) & step == {f"{PAGE}/canary-next", f"{PAGE}/canary-continue"}
    assert "now, held" in text
    assert await act(ann, "canary-next", canary=2, share=5) == 303
    assert await act(ann, "canary-continue", canary=2, share=25) == 303
    found = (await state(house))["canary"]
    assert (found["weight"], found["steps"]["held"]) == (25, False)
    assert "continue canary" in await ann.text(PAGE)
    events = (await state(house))["events"][-3:]
    assert [(event["action"], event["actor"]) for event in events] == [
        ("canary-hold", "ann"), ("canary", "ann"), ("canary-continue", "ann"),
    ]  # fmt: skip


async def test_an_old_page_makes_no_step_and_who_may_not_gets_no_form(house: House, people: People) -> None:
    await in_steps(house)
    await house.admin("POST", "/api/v1/adapters/healthcare/triage/canary/next", json={"release": 2})
    browser = await people.signed_in()
    for what in ("canary-next", "canary-hold", "canary-continue"):
        assert await act(browser, what, canary=2, share=5) == 409, what
    viewer = await people.signed_in(Role.VIEWER)
    assert not forms(await viewer.text(PAGE))
    assert await act(viewer, "canary-next", canary=2, share=25) == 403
    assert (await state(house))["canary"]["weight"] == 25


async def test_a_canary_without_steps_shows_none(house: House, people: People) -> None:
    await opened(house)
    await canary(house, 2, 10)
    text = await (await people.signed_in()).text(PAGE)
    assert "Steps of the canary" not in text
    assert f"{PAGE}/canary-hold" not in forms(text)
