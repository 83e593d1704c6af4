"""The playground: what it shows of the way of an answer, who may ask what, and that nothing else comes of it."""

from __future__ import annotations

import pytest
from sqlmodel import select

from postil.gateway.telemetry import metric_table
from postil.registry.accounts.keys import Role
from postil.registry.db.tables import Review
from tests.fakes.vllm import Json, Reply
from tests.gateway.api.console.conftest import SAME, Browser, People
from tests.gateway.channel_acts import NAME, canary, opened, shadow
from tests.gateway.conftest import House

PAGE = "/console/playground"
HELD = """
output: {labels: [symptoms, appointment, billing]}
validators: [{name: labels}, {name: confidence, config: {minimum: 0.9}}]
fallback: [{name: review, config: {content: '{"category": "wait"}'}}]
"""
WINDOW = "validators: [{name: pii, on_fail: replace, replacement: '[withheld]'}]"
HOSTILE = "<script>alert(1)</script> {{ 7*7 }} \u202e"


async def ask(browser: Browser, text: str = "my head hurts", **fields: str) -> str:
    """Send the form; returns the page."""
    answer = await browser.send(
        PAGE, **{"adapter": NAME, "other": "", "seed": "7", "temperature": "0", "text": text, **fields}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def column(text: str, name: str) -> str:
    """One column of the page."""
    return text.partition(f'aria-labelledby="{name}"')[2].partition("</section>")[0]


def by_model(replies: dict[str, Reply], house: House) -> None:
    """Have the engine answer each model in its own way: ``base``, and releases by number."""
    entry = house.runtime.catalog.current.entries[NAME]
    names = {"base": "base"} | {release.engine_name: str(number) for number, release in entry.releases.items()}

    def reply(body: Json) -> Reply:
        return replies[names[body["model"]]]

    house.engine.reply = reply


async def test_base_live_and_another_release_are_asked_the_same_with_the_same_seed(
    house: House, people: People
) -> None:
    await opened(house)
    browser = await people.signed_in(Role.PUBLISHER, "healthcare")
    by_model(
        {
            "base": Reply("You should see a doctor."),
            "1": Reply('{"category": "symptoms"}'),
            "2": Reply('{"category": "billing"}'),
        },
        house,
    )
    before = len(house.engine.requests)
    text = await ask(browser, other="2", temperature="0.5")
    assert "You should see a doctor." in column(text, "base")
    assert "{&#34;category&#34;: &#34;symptoms&#34;}" in column(text, "live")
    assert f"{NAME}@2" in column(text, "other")
    assert "<del>symptoms</del><ins>billing</ins>" in text
    asked = house.engine.requests[before:]
    assert {(one["seed"], one["temperature"]) for one in asked} == {(7, 0.5)}
    assert len({one["model"] for one in asked}) == 3
    assert "my head hurts</textarea>" in text


async def test_what_the_model_said_what_checks_said_and_what_leaves_are_told_apart(
    house: House, people: People
) -> None:
    await opened(house, 1, HELD)
    browser = await people.signed_in()
    house.engine.reply = lambda body: Reply(logprob=-1.0)
    live = column(await ask(browser), "live")
    said, _, rest = live.partition("<h3>Checks</h3>")
    checks, _, left = rest.partition("<h3>What leaves</h3>")
    assert "symptoms" in said
    assert "<strong>labels</strong> passed" in checks
    assert "<strong>confidence</strong> failed:" in checks
    assert "{&#34;category&#34;: &#34;wait&#34;}" in left
    assert "would wait for a reviewer" in left


async def test_a_validator_that_replaces_a_part_is_told_too(house: House, people: People) -> None:
    await opened(house, 1, WINDOW)
    browser = await people.signed_in()
    house.engine.reply = lambda body: Reply("write to jo@example.com")
    live = column(await ask(browser), "live")
    assert "write to jo@example.com" in live.partition("<h3>Checks</h3>")[0]
    assert "<strong>pii</strong> failed:" in live
    assert "jo@example.com" not in live.partition("<h3>What leaves</h3>")[2]
    house.engine.reply = lambda body: Reply("call the office")
    assert "<strong>pii</strong> passed" in column(await ask(browser), "live")


async def test_an_answer_that_nothing_may_leave_of_says_why(house: House, people: People) -> None:
    await opened(house, 1, "validators: [{name: pii, on_fail: fallback}]")
    house.engine.reply = lambda body: Reply("write to jo@example.com")
    live = column(await ask(await people.signed_in()), "live")
    assert "did not pass `pii`" in live.partition("<h3>What leaves</h3>")[2]


async def test_what_the_engine_refuses_is_said_in_the_column_alone(house: House, people: People) -> None:
    await opened(house)
    house.engine.refuses = lambda body: "This model cannot do that." if body["model"] == "base" else None
    text = await ask(await people.signed_in(), other="2")
    assert "symptoms" in column(text, "live")
    assert "text held bad" in column(text, "base")


async def test_nothing_comes_of_it_but_the_answers(house: House, people: People) -> None:
    key = await opened(house, 3, HELD)
    await canary(house, 2, 100)
    house.engine.reply = lambda body: Reply(logprob=-1.0)
    requests = _requests(house)
    browser = await people.signed_in()
    for _ in range(3):
        await ask(browser, other="2")
    watch = house.runtime.monitor.watch(NAME)
    assert watch is not None
    assert {signal.candidate_total for signal in watch.comparison.evidence()} == {0}
    assert _requests(house) == requests
    with house.runtime.registry.database().read() as session:
        assert session.exec(select(Review)).all() == []
    used = (await house.admin("GET", "/api/v1/usage")).json()["data"]
    assert [row["tenant"] for row in used if row["requests"]] == ["postil"]
    await house.ask(key)  # The same of a tenant's counts.
    used = (await house.admin("GET", "/api/v1/usage")).json()["data"]
    assert {row["tenant"] for row in used} == {"postil", "clinic"}


def _requests(house: House) -> dict[tuple[str, ...], object]:
    """What is counted of clients' requests."""
    return {name: value for name, value in house.runtime.sums.copy().items() if name[0] == metric_table.REQUESTS}


async def test_no_copy_goes_to_a_shadow(house: House, people: People) -> None:
    await opened(house)
    await shadow(house, 2)
    before = len(house.engine.requests)
    await ask(await people.signed_in())
    await house.runtime.shadows.stop()
    assert len(house.engine.requests) == before + 2


async def test_hostile_texts_stay_texts_wherever_they_are_shown(house: House, people: People) -> None:
    await opened(house, 2, "validators: [{name: pii}]")
    house.engine.reply = lambda body: Reply(HOSTILE)
    text = await ask(await people.signed_in(), f"</textarea>{HOSTILE}", other="2")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }} \\u202e") >= 6
    assert "&lt;/textarea&gt;" in text


async def test_a_publisher_asks_its_domains_adapters_alone(house: House, people: People) -> None:
    await opened(house)
    await house.publish("legal/clause")
    ann = await people.signed_in(Role.PUBLISHER, "healthcare")
    assert "legal" not in await ann.text(PAGE)
    assert "legal" not in await ann.text(f"{PAGE}?adapter=legal/clause")
    before = len(house.engine.requests)
    for name, status in (("legal/clause", 403), ("legal/nothing", 403), ("healthcare/nothing", 404), ("x", 400)):
        answer = await ann.send(PAGE, adapter=name, text="hello", seed="0", temperature="0")
        assert answer.status_code == status, name
    assert len(house.engine.requests) == before


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.VIEWER])
async def test_who_neither_publishes_nor_administers_has_no_playground(
    house: House, people: People, role: Role
) -> None:
    await opened(house)
    browser = await people.signed_in(role, *(["healthcare"] if role is Role.REVIEWER else []))
    assert "/console/playground" not in await browser.text("/console")
    assert (await browser.get(PAGE)).status_code == 403
    before = len(house.engine.requests)
    answer = await browser.send(PAGE, adapter=NAME, text="hello", seed="0", temperature="0")
    assert (answer.status_code, len(house.engine.requests)) == (403, before)


async def test_another_sites_form_asks_nothing(house: House, people: People) -> None:
    await opened(house)
    browser = await people.signed_in()
    before = len(house.engine.requests)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        answer = await browser.send_as(headers, PAGE, adapter=NAME, text="hello", seed="0", temperature="0")
        assert answer.status_code == 403, headers
    assert len(house.engine.requests) == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": " "}, "the text is missing"),
        ({"text": "x" * 8001}, "8,001 characters"),
        ({"seed": "x"}, "seed has to be a whole number"),
        ({"temperature": "3"}, "between 0 and 2"),
        ({"temperature": "nan"}, "between 0 and 2"),
        ({"other": "-1"}, "other has to be a whole number"),
    ],
)
async def test_what_cannot_be_asked_is_said_on_the_page_and_what_was_written_stays(
    house: House, people: People, fields: dict[str, str], said: str
) -> None:
    await opened(house, 1)
    browser = await people.signed_in()
    form = {"adapter": NAME, "text": "a long story", "seed": "0", "temperature": "0", **fields}
    answer = await browser.send(PAGE, **form)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert "text" in fields or "a long story</textarea>" in answer.text


async def test_a_release_that_is_not_there_or_harmful_is_not_asked(house: House, people: People) -> None:
    await opened(house, 3)
    await house.admin("POST", f"/api/v1/adapters/{NAME}/releases/2/yank", json={"reason": "harmful"})
    browser = await people.signed_in()
    for number in ("2", "9"):
        other = column(await ask(browser, other=number), "other")
        assert "does not exist" in other, number
    assert '<option value="2">' not in await browser.text(PAGE)
    assert '<option value="3">' in await browser.text(PAGE)


async def test_a_key_asks_ten_times_a_minute(house: House, people: People) -> None:
    await opened(house, 1)
    browser = await people.signed_in()
    for _ in range(10):
        await ask(browser)
    answer = await browser.client.post(
        PAGE, data={"adapter": NAME, "text": "once more", "seed": "0", "temperature": "0"}, headers=SAME
    )
    assert (answer.status_code, "ask again in" in answer.text) == (429, True)
    await ask(await people.signed_in(Role.PUBLISHER, "healthcare"))


async def test_without_an_adapter_the_page_says_so_and_without_a_live_release_the_column_does(
    house: House, people: People
) -> None:
    browser = await people.signed_in()
    assert "no adapter that you may try" in await browser.text(PAGE)
    await house.publish(NAME, live=False)
    text = await ask(browser, other="1")
    assert "has no live release yet" in column(text, "live")
    assert "symptoms" in column(text, "other")


async def test_a_releases_page_leads_there(house: House, people: People) -> None:
    await opened(house)
    text = await (await people.signed_in()).text(f"/console/adapters/{NAME}/releases/2")
    assert f"/console/playground?adapter={NAME}&amp;release=2" in text
    viewer = await people.signed_in(Role.VIEWER)
    assert "playground" not in await viewer.text(f"/console/adapters/{NAME}/releases/2")
