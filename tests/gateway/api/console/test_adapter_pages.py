"""An adapter's pages: what they say, who gets which form, and that a form acts only on what its page showed."""

from __future__ import annotations

import re

import pytest

from postil.registry.accounts.keys import Role
from tests.gateway.api.console.conftest import Browser, People, forms
from tests.gateway.channel_acts import NAME, canary, move, opened, served, shadow
from tests.gateway.conftest import TRIAGE, House

PAGE = f"/console/adapters/{NAME}"


async def act(browser: Browser, what: str, **fields: object) -> int:
    """Send a form with a reason; returns the status."""
    answer = await browser.send(
        f"{PAGE}/{what}", reason="because", **{key: str(value) for key, value in fields.items()}
    )
    return answer.status_code


async def test_the_page_says_first_what_is_live_since_when_by_whom_and_why(house: House, people: People) -> None:
    await opened(house)
    await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": 2, "reason": "fewer mistakes"})
    await canary(house, 1, 12.5)
    text = await (await people.signed_in(Role.VIEWER)).text(PAGE)
    assert "<strong>@2 is live</strong> since" in text
    assert "by <strong>admin</strong>, “fewer mistakes”" in text
    assert "<strong>@1 is tried</strong> with 12.5 % of the traffic" in text
    assert "The way back is @1." in text


async def test_a_yank_of_a_release_that_was_not_live_is_not_why_the_live_one_is(house: House, people: People) -> None:
    await opened(house)
    await house.admin("POST", f"/api/v1/adapters/{NAME}/promote", json={"release": 2, "reason": "fewer mistakes"})
    await canary(house, 1)
    browser = await people.signed_in()
    assert await act(browser, "yank", release=1, seen=2) == 303
    text = (await browser.text(PAGE)).partition('class="lead"')[2].partition("</p>")[0]
    assert "<strong>@2 is live</strong> since" in text
    assert "“fewer mistakes”" in text
    assert "yank" not in text


async def test_evidence_of_a_canary_stands_on_its_way_to_the_threshold(house: House, people: People) -> None:
    key = await opened(house)
    await canary(house, 2, 50)
    for user in range(8):
        await house.ask(key, user=str(user))
    text = await (await people.signed_in()).text(PAGE)
    assert "Evidence: @2 beside @1" in text
    assert "the candidate is yanked automatically" in text
    assert "a probability of at most 1 %" in text
    assert "1 of 400" in text
    assert "validator failures: 0 % of the way" in text


async def test_a_publisher_promotes_tries_and_goes_back_in_its_own_name(house: House, people: People) -> None:
    await opened(house, 3)
    ann = await people.signed_in(Role.PUBLISHER, "healthcare")
    assert await act(ann, "canary", release=2, canary=0, weight=25) == 303
    assert served(house) == (1, 2)
    assert await act(ann, "canary-stop", canary=2, share=25) == 303
    assert served(house) == (1, None)
    assert await act(ann, "promote", release=2, seen=1, canary=0) == 303
    assert await act(ann, "rollback", release=1, seen=2) == 303
    assert served(house) == (1, None)
    assert await act(ann, "retire", release=3) == 303
    assert await act(ann, "restore", release=3) == 303
    assert await act(ann, "yank", release=2, seen=1) == 303
    assert await act(ann, "unyank", release=2) == 303
    events = (await house.admin("GET", "/api/v1/events", params={"newest_first": True, "limit": 8})).json()["data"]
    assert [event["action"] for event in events][::-1] == [
        "canary", "canary-end", "promote", "rollback", "retire", "unretire", "yank", "unyank",
    ]  # fmt: skip
    assert {(event["actor"], event["reason"]) for event in events} == {("ann", "because")}


async def test_what_a_form_did_is_said_once_and_no_address_makes_it_up(house: House, people: People) -> None:
    await opened(house)
    browser = await people.signed_in()
    assert "The release is live." not in await browser.text(f"{PAGE}?done=promote")
    assert await act(browser, "promote", release=2, seen=1, canary=0) == 303
    assert ["The release is live." in await browser.text(PAGE) for _ in range(2)] == [True, False]


async def test_a_yank_says_what_is_live_afterwards(house: House, people: People) -> None:
    await opened(house)
    browser = await people.signed_in()
    assert "Nothing is live afterwards: the adapter answers nobody." in await browser.text(f"{PAGE}/releases/1")
    await move(house, "promote", 2)
    assert "@1 goes live." in await browser.text(f"{PAGE}/releases/2")
    assert "goes live" not in await browser.text(f"{PAGE}/releases/1")


async def test_a_form_of_a_page_that_is_out_of_date_changes_nothing(house: House, people: People) -> None:
    await opened(house, 3)
    browser = await people.signed_in()
    await move(house, "promote", 2)
    for what, fields in (
        ("promote", {"release": 3, "seen": 1, "canary": 0}),
        ("rollback", {"release": 1, "seen": 3}),
        ("canary", {"release": 3, "canary": 2, "weight": 5}),
        ("yank", {"release": 3, "seen": 1}),
        ("canary-stop", {"canary": 3}),
    ):
        answer = await browser.send(
            f"{PAGE}/{what}", reason="because", **{key: str(one) for key, one in fields.items()}
        )
        assert (answer.status_code, "It has moved since you looked" in answer.text) == (409, True), what
    assert served(house) == (2, None)


async def test_a_canary_that_somebody_stopped_or_gave_another_share_is_not_promoted_nor_changed_by_an_old_page(
    house: House, people: People
) -> None:
    await opened(house, 3)
    await canary(house, 2, 12.5)
    browser = await people.signed_in()
    seen = hidden_fields(await browser.text(PAGE))
    assert seen == {"release": "2", "seen": "1", "canary": "2", "share": "12.5"}
    await canary(house, 2, 50)
    for what in ("promote", "canary", "canary-stop"):
        assert await act(browser, what, **{"weight": 5, **seen}) == 409, what
    assert await act(browser, "canary-stop", canary=2, share=50) == 303
    answer = await browser.send(f"{PAGE}/promote", reason="because", **seen)
    assert (answer.status_code, "canary-end by admin" in answer.text) == (409, True)
    assert served(house) == (1, None)


def hidden_fields(text: str) -> dict[str, str]:
    """What the first form of a page's main part sends by itself."""
    form = text.partition('class="stack"')[2].partition("</form>")[0]
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))


async def test_a_form_without_a_reason_or_with_what_it_does_not_have_is_refused(house: House, people: People) -> None:
    await opened(house)
    browser = await people.signed_in()
    for fields in (
        {"release": "2", "seen": "1", "canary": "0"},
        {"release": "2", "seen": "1", "canary": "0", "reason": " "},
        {"release": "two", "seen": "1", "canary": "0", "reason": "x"},
        {"release": "-2", "seen": "1", "canary": "0", "reason": "x"},
        {"release": "2", "seen": "1", "canary": "0", "reason": "x", "more": "1"},
        {"release": "2", "reason": "x"},
        {"release": "2", "seen": "1", "canary": "0", "reason": "a\0b"},
        {"release": "2", "seen": "1", "canary": "0", "reason": "a\x1bb"},
        {"release": "2", "seen": "1", "canary": "0", "reason": "x" * 5000},
        {"release": "2", "seen": "1", "canary": "0", "reason": "x" * 300_000},
    ):
        assert (await browser.send(f"{PAGE}/promote", **fields)).status_code == 400, fields.keys()
    raw = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    for body in (b"reason=a&reason=b", b"reason=%ff", b"\xff", b"reason", b"&".join([b"reason=a"] * 30)):
        assert (await browser.client.post(f"{PAGE}/promote", content=body, headers=raw)).status_code == 400, body
    json = await browser.client.post(f"{PAGE}/promote", json={"release": 2}, headers={"sec-fetch-site": "same-origin"})
    assert json.status_code == 415
    for weight in ("", "much", "nan", "inf", "0", "101", "-1"):
        assert await act(browser, "canary", release=2, canary=0, weight=weight) == 400, weight
    assert served(house) == (1, None)


ALL = {f"{PAGE}/{what}" for what in ("promote", "canary", "retire", "yank")}


@pytest.mark.parametrize(
    ("role", "domains", "expected"),
    [
        (Role.VIEWER, (), set()),
        (Role.PUBLISHER, ("healthcare",), ALL),
        (Role.ADMIN, (), ALL),
    ],
)
async def test_each_role_gets_the_forms_that_it_may_send_and_no_other(
    house: House, people: People, role: Role, domains: tuple[str, ...], expected: set[str]
) -> None:
    await opened(house)
    browser = await people.signed_in(role, *domains)
    assert forms(await browser.text(f"{PAGE}/releases/2")) == expected
    for what in ("promote", "canary", "canary-stop", "rollback", "retire", "restore", "yank", "unyank"):
        status = await act(browser, what, release=9, seen=1, canary=0, weight=5)
        assert (status == 403) is (not expected), (what, status)


async def test_no_act_is_offered_that_would_be_refused(house: House, people: People) -> None:
    await opened(house, 3)
    await canary(house, 2)
    await shadow(house, 3)
    browser = await people.signed_in()
    acts = {f"{PAGE}/{what}" for what in ("promote", "canary", "yank")}
    for number in (2, 3):  # What is tried or shadowed cannot be retired.
        assert forms(await browser.text(f"{PAGE}/releases/{number}")) == acts
    await move(house, "promote", 3)
    await house.admin("POST", f"/api/v1/adapters/{NAME}/retire", json={"reason": "no longer needed"})
    assert forms(await browser.text(PAGE)) <= {f"{PAGE}/canary-stop"}
    for number in (1, 2, 3):
        assert forms(await browser.text(f"{PAGE}/releases/{number}")) <= {
            f"{PAGE}/{what}" for what in ("yank", "retire")
        }


async def test_who_may_not_see_a_domain_gets_no_page_of_it_and_reviewers_get_none(house: House, people: People) -> None:
    await opened(house)
    for browser in (
        await people.signed_in(Role.PUBLISHER, "legal"),
        await people.signed_in(Role.REVIEWER, "healthcare", owner="rob"),
    ):
        for path in ("", "/releases/1", "/compare?to=2"):
            answer = await browser.get(f"{PAGE}{path}")
            assert (answer.status_code, "That is not for you" in answer.text) == (403, True), path
        assert NAME not in await browser.text("/console")
        assert (await browser.get(f"/console/log?adapter={NAME}")).status_code == 403


async def test_releases_come_in_pages_the_newest_first(house: House, people: People) -> None:
    for number in range(27):
        await house.publish(NAME, TRIAGE + f"\n# {number}", seed=number, live=number == 0)
    browser = await people.signed_in()
    first = await browser.text(PAGE)
    assert ">@27</a>" in first
    assert ">@2</a>" not in first
    (link,) = [part.split('"')[0] for part in first.split('href="') if "?after=" in part.split('"')[0]]
    assert ">@2</a>" in await browser.text(link)


async def test_what_changed_is_weights_policy_or_both(house: House, people: People) -> None:
    other = TRIAGE.replace("0.5", "0.6")
    for seed, policy in ((0, TRIAGE), (1, TRIAGE), (1, other), (2, TRIAGE)):
        await house.publish(NAME, policy, seed=seed, live=seed == 0)
    browser = await people.signed_in()
    text = await browser.text(PAGE)
    assert [text.count(f"<td>{what}</td>") for what in ("weights", "policy", "weights and policy")] == [1, 1, 1]
    compared = await browser.text(f"{PAGE}/compare?to=3&than=2")
    assert "validators[confidence].config.minimum" in compared
    assert ">0.6</td>" in compared
    assert "identical" in compared
    assert (await browser.get(f"{PAGE}/compare?to=9")).status_code == 404


async def test_an_adapter_or_release_that_is_not_there_is_a_page_that_says_so(house: House, people: People) -> None:
    await opened(house)
    browser = await people.signed_in()
    for path in ("/console/adapters/healthcare/none", f"{PAGE}/releases/9"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
    for path in (
        f"{PAGE}?after=nonsense",
        "/console/adapters/Health..care/x",
        f"{PAGE}/releases/{10**30}",
        f"{PAGE}/compare?to=x",
    ):
        assert 400 <= (await browser.get(path)).status_code < 500, path


async def test_an_adapter_without_a_second_release_has_nothing_to_compare_with(house: House, people: People) -> None:
    await house.publish(NAME, live=False)
    browser = await people.signed_in()
    assert "No release is live." in await browser.text(PAGE)
    assert (await browser.get(f"{PAGE}/compare?to=1")).status_code == 400
