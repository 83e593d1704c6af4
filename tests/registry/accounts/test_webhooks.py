"""Webhooks: an admin's objects; secrets that are shown once and stand in no event."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from postil.registry.accounts import webhooks
from postil.registry.accounts.webhooks import add_webhook, endpoint, endpoint_for, list_webhooks, rotate_secret
from postil.registry.db.database import Database
from postil.registry.errors import ConflictError, NameInvalidError, NotFoundError, PolicyError, TextError, WebhookError
from postil.registry.policy.policy import Policy, parse_policy, policy_from
from postil.registry.releases import history
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish

URL = "https://hooks.example.com/s3cret-path"


def test_a_webhook_signs_with_a_secret_of_its_own(database: Database) -> None:
    made = add_webhook(database, "decisions", URL, ["legal", "finance", "legal"], actor="ann")
    other = add_webhook(database, "others", URL, ["legal"], actor="ann")
    assert made.domains == ["finance", "legal"]
    assert made.secret.startswith("whsec_")
    assert len(base64.b64decode(made.secret.removeprefix("whsec_"))) == 32
    assert made.secret != other.secret
    assert endpoint(database, "decisions").secrets == (made.secret,)


def test_while_a_secret_is_replaced_both_sign(database: Database) -> None:
    first = add_webhook(database, "decisions", URL, ["legal"], actor="ann").secret
    second = rotate_secret(database, "decisions", timedelta(hours=1), actor="ann").secret
    assert endpoint(database, "decisions").secrets == (second, first)
    third = rotate_secret(database, "decisions", timedelta(0), actor="ann").secret
    assert endpoint(database, "decisions").secrets == (third,)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=31)])
def test_an_overlap_is_bounded(database: Database, overlap: timedelta) -> None:
    with pytest.raises(WebhookError, match="the overlap must be between 0 and 30 days"):
        rotate_secret(database, "decisions", overlap, actor="ann")


def test_events_hold_no_secret_and_no_path(database: Database) -> None:
    add_webhook(database, "decisions", URL, ["legal"], actor="ann")
    rotate_secret(database, "decisions", timedelta(hours=1), actor="ann")
    webhooks.remove_webhook(database, "decisions", actor="ann")
    events = history.log(database)
    assert [(event.action, event.subject, event.details["host"]) for event in events] == [
        ("webhook-add", "decisions", "hooks.example.com"),
        ("webhook-rotate", "decisions", "hooks.example.com"),
        ("webhook-remove", "decisions", "hooks.example.com"),
    ]
    assert not {"whsec", "s3cret"} & set(repr([event.model_dump() for event in events]).split("_"))
    assert "whsec_" not in repr([event.model_dump() for event in events])


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://hooks.example.com/", "has to be https://, as answers are sent there"),
        ("https://user:pass@hooks.example.com/", "holds a name, a password or a fragment"),
        ("https://user@hooks.example.com/", "holds a name, a password or a fragment"),
        ("https://hooks.example.com\\@127.0.0.1/", "holds a name, a password or a fragment"),
        ("https://hooks.example.com/#x", "holds a name, a password or a fragment"),
        ("ftp://hooks.example.com/", "has to be https://host/path"),
        ("https:///path", "has to be https://host/path"),
        ("file:///etc/passwd", "has to be https://host/path"),
        ("https://hooks.example.com/a b", "has to be https://host/path"),
        ("https://hooks.example.com/" + "x" * 2000, "has to be https://host/path"),
        ("https://[hooks", "cannot be read"),
        ("https://hooks.example.com:99999/", "cannot be read"),
    ],
)
def test_a_url_that_nothing_may_be_posted_to_is_refused(database: Database, address: str, problem: str) -> None:
    with pytest.raises(WebhookError, match=problem):
        add_webhook(database, "decisions", address, ["legal"], actor="ann")


def test_what_else_cannot_be_is_refused(database: Database) -> None:
    with pytest.raises(TextError, match="control character"):
        add_webhook(database, "decisions", "https://host/\x1b", ["legal"], actor="ann")
    with pytest.raises(WebhookError, match="name at least one"):
        add_webhook(database, "decisions", URL, [], actor="ann")
    with pytest.raises(NameInvalidError):
        add_webhook(database, "De cisions", URL, ["legal"], actor="ann")
    add_webhook(database, "decisions", "http://10.0.0.1/", ["legal"], allow_private=True, actor="ann")
    with pytest.raises(ConflictError, match="exists already"):
        add_webhook(database, "decisions", URL, ["legal"], actor="ann")
    with pytest.raises(NotFoundError, match="there is no webhook 'others'"):
        webhooks.remove_webhook(database, "others", actor="ann")
    with pytest.raises(NotFoundError):
        rotate_secret(database, "others", timedelta(0), actor="ann")


def test_a_domain_has_its_own_webhooks_only(database: Database) -> None:
    for name, domains in (("a", ["legal"]), ("b", ["finance"]), ("c", ["legal", "finance"])):
        add_webhook(database, name, f"{URL}/{name}", domains, actor="ann")
    assert [row.name for row in list_webhooks(database).items] == ["a", "b", "c"]
    assert [row.name for row in list_webhooks(database, {"legal"}).items] == ["a", "c"]
    first = list_webhooks(database, {"legal"}, limit=1)
    assert [row.name for row in list_webhooks(database, {"legal"}, after=first.next).items] == ["c"]
    assert endpoint_for(database, "b", "legal") is None
    assert endpoint_for(database, "nothing", "legal") is None
    found = endpoint_for(database, "c", "legal")
    assert found is not None
    assert found.name == "c"


def test_a_url_of_an_old_policy_stands_for_the_domains_webhook_with_it(database: Database) -> None:
    for name, domain in (("a", "finance"), ("b", "legal")):
        add_webhook(database, name, URL, [domain], actor="ann")
    found = endpoint_for(database, URL, "legal")
    assert found is not None
    assert found.name == "b"
    assert endpoint_for(database, URL, "healthcare") is None
    assert endpoint_for(database, f"{URL}/other", "legal") is None


def test_a_policy_names_a_webhook_of_its_domain(registry: Registry, publish: Publish) -> None:
    policy = parse_policy("reviews: {webhook: decisions}")
    with pytest.raises(PolicyError, match="healthcare has no webhook decisions; let an admin add it with `postil web"):
        publish(policy=policy)
    add_webhook(registry.database, "decisions", URL, ["legal"], actor="ann")
    with pytest.raises(PolicyError, match="healthcare has no webhook decisions"):
        publish(policy=policy)
    webhooks.remove_webhook(registry.database, "decisions", actor="ann")
    add_webhook(registry.database, "decisions", URL, ["healthcare"], actor="ann")
    assert publish(policy=policy) == 1


def test_a_url_in_a_policy_is_refused_at_publish_and_still_loads(registry: Registry, publish: Publish) -> None:
    old = policy_from({"reviews": {"webhook": URL}})
    assert isinstance(old, Policy)
    with pytest.raises(PolicyError, match=r"takes a name and no URL.*`postil webhooks add NAME URL --domain DOMAIN`"):
        publish(policy=old)
    with pytest.raises(PolicyError, match="takes a name and no URL"):
        parse_policy(f"reviews: {{webhook: '{URL}'}}")
