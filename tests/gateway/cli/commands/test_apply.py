"""``postil apply``: a gateway is made as files say, once and not twice, and nothing else of it changes."""

from __future__ import annotations

import json
import resource
import signal
import stat
from pathlib import Path

import pytest

from postil.gateway.cli.apply.secrets import NewSecrets
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import FREE_TEXT, House

TENANTS = """
tenants:
  clinic:
    domains: [healthcare]
    rights: [base, numbers]
    limits: {requests_per_minute: 60}
"""
WEBHOOKS = """
webhooks:
  tickets:
    url: https://tickets.example.com/hook
    domains: [healthcare]
"""
DOMAINS = """
domains:
  healthcare:
    sources: ["hf://clinic/*"]
    quotas: {releases: 200}
"""
CHANNELS = """
channels:
  healthcare/triage:
    live: 2
    canary: {release: 3, weight: 25}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of each kind, one of them in a folder of its own."""
    folder = tmp_path / "wanted"
    (folder / "teams").mkdir(parents=True)
    (folder / "tenants.yaml").write_text(TENANTS)
    (folder / "webhooks.yml").write_text(WEBHOOKS)
    (folder / "teams" / "health.yaml").write_text(DOMAINS + CHANNELS)
    (folder / "README.md").write_text("not: [read")
    return folder


@pytest.fixture
async def releases(house: House) -> House:
    """A gateway with three releases of ``healthcare/triage``, the first of them live."""
    for seed in range(3):
        await house.publish("healthcare/triage", FREE_TEXT, seed=seed, live=seed == 0)
    return house


async def applied(house: House, folder: Path, *more: str) -> tuple[int, str, str]:
    """Run the command, without a process of its own."""
    return await in_process(house, "apply", "-f", str(folder), *more)


async def test_files_are_shown_first_applied_then_and_change_nothing_again(releases: House, folder: Path) -> None:
    status, shown, complaints = await postil(releases, "apply", "-f", str(folder), "--dry-run")
    assert (status, complaints) == (0, "nothing was changed, because of --dry-run\n")
    rows = [line.split() for line in shown.splitlines()]
    assert rows[0] == ["action", "what", "field", "before", "after"]
    assert ["change", "adapter", "healthcare/triage", "live", "1", "2"] in rows
    assert ["add", "adapter", "healthcare/triage", "canary", "release", "3,", "weight", "25"] in rows
    assert ["change", "domain", "healthcare", "sources", "none", "hf://clinic/*"] in rows
    assert (await releases.admin("GET", "/api/v1/tenants")).json()["data"] == []

    status, out, complaints = await applied(releases, folder, "--reason", "as in the repository")
    assert (status, complaints) == (0, "")
    told = out.removeprefix(shown).splitlines()
    assert [line.partition(", shown only once: ")[0] for line in told] == ["webhook tickets", "tenant clinic"]
    key = told[1].rpartition(" ")[2]
    answer = await releases.ask(key, model="healthcare/triage@2")
    assert answer.headers["x-postil-release"] == "healthcare/triage@2"
    (tenant,) = (await releases.admin("GET", "/api/v1/tenants")).json()["data"]
    # What a gateway gives to every new tenant stays.
    assert tenant["limits"] == {"requests_per_minute": 60, "concurrent": 1024}
    state = (await releases.admin("GET", "/api/v1/adapters/healthcare/triage")).json()
    assert (state["live"], state["canary"]["release"], state["canary"]["weight"]) == (2, 3, 25)
    assert state["events"][-1]["reason"] == "as in the repository"
    (domain,) = (await releases.admin("GET", "/api/v1/domains")).json()["data"]
    assert (domain["quotas"]["releases"], domain["quotas"]["own"]) == (200, ["releases"])

    status, out, _ = await applied(releases, folder)
    assert (status, out) == (0, "nothing changes: the gateway is as the files say\n")


async def test_programs_get_json_and_secrets_go_into_a_private_file(
    releases: House, folder: Path, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets.jsonl"
    said = json.loads((await applied(releases, folder, "--json", "--secrets", str(secrets)))[1])
    assert said["applied"] is True
    assert {"action": "change", "what": "adapter healthcare/triage", "field": "live", "before": 1, "after": 2} in said[
        "changes"
    ]
    assert said["secrets"] == [
        {"what": "webhook tickets", "file": str(secrets)},
        {"what": "tenant clinic", "file": str(secrets)},
    ]
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    webhook, tenant = map(json.loads, secrets.read_text().splitlines())
    assert (webhook["what"], webhook["secret"][:6]) == ("webhook tickets", "whsec_")
    assert (await releases.ask(tenant["secret"])).status_code == 200
    assert json.loads((await applied(releases, folder, "--json"))[1]) == {
        "changes": [],
        "applied": True,
        "secrets": [],
    }
    status, _, complaints = await applied(releases, folder, "--secrets", str(secrets))
    assert (status, complaints) == (
        1,
        f"error: {secrets} exists already; name a new file, so that no secret is overwritten\n",
    )


async def test_nothing_is_removed_unless_that_is_asked_for(releases: House, folder: Path, tmp_path: Path) -> None:
    await releases.tenant("lab", "healthcare")
    await applied(releases, folder)
    (folder / "webhooks.yml").write_text(WEBHOOKS.replace("tickets:", "decisions:"))
    await applied(releases, folder)
    (folder / "teams" / "health.yaml").write_text("channels:\n  healthcare/triage: {live: 2}\n")
    assert (await applied(releases, folder))[1] == "nothing changes: the gateway is as the files say\n"
    _, out, _ = await applied(releases, folder, "--prune")
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["remove", "adapter", "healthcare/triage"],
        ["remove", "tenant", "lab"],
        ["remove", "webhook", "tickets"],
    ]
    # A kind that no file speaks of is left alone.
    (folder / "tenants.yaml").unlink()
    assert (await applied(releases, folder, "--prune"))[1] == "nothing changes: the gateway is as the files say\n"
    tenants = (await releases.admin("GET", "/api/v1/tenants")).json()["data"]
    assert [tenant["name"] for tenant in tenants] == ["clinic"]


async def test_null_ends_a_canary_and_removes_a_limit(releases: House, folder: Path) -> None:
    await applied(releases, folder)
    (folder / "tenants.yaml").write_text(TENANTS.replace("60}", "null, tokens_per_day: 5000}"))
    (folder / "teams" / "health.yaml").write_text("channels:\n  healthcare/triage: {canary: null}\n")
    assert (await applied(releases, folder))[0] == 0
    assert (await releases.admin("GET", "/api/v1/adapters/healthcare/triage")).json()["canary"] is None
    (tenant,) = (await releases.admin("GET", "/api/v1/tenants")).json()["data"]
    assert tenant["limits"] == {"concurrent": 1024, "tokens_per_day": 5000}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "tenants:\n  a:\n    domains: [x]\n    limit: {}\n",
            "4: `tenants.a.limit` is not known; known here: default",
        ),
        ("tenant: {}\n", "1: `tenant` is not known; known here: channels, domains, tenants, webhooks"),
        (
            "tenants:\n  a:\n    domains: [x]\n    limits:\n      concurrent: many\n",
            "5: `tenants.a.limits.concurrent`: input should be a valid integer",
        ),
        ("tenants:\n  a: {}\n", "2: `tenants.a.domains`: field required"),
        ("channels:\n  triage: {}\n", "2: `channels.triage`: 'triage' is not an adapter name"),
        ("tenants:\n  a: {domains: [x]}\n  a: {domains: [y]}\n", "3: `a` stands here twice; leave one out"),
        ("tenants:\n  - [\n", "3: this is not YAML: "),
        ("tenants: &all {}\nwebhooks: *all\n", "2: this is not YAML: aliases (*name) are not allowed"),
    ],
)
async def test_what_a_file_cannot_say_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    status, _, complaints = await in_process(None, "apply", "-f", str(tmp_path))
    assert status == 1
    assert complaints.startswith(f"error: {file}:{says}")
    assert len(complaints.splitlines()) == 1


async def test_a_name_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("tenants:\n  clinic: {domains: [x]}\n")
    _, _, complaints = await in_process(None, "apply", "-f", str(tmp_path))
    assert complaints == (
        f"error: {tmp_path}/b.yaml:2: tenants.clinic stands in {tmp_path}/a.yaml:2 too; leave one out\n"
    )


async def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    assert "has no YAML files" in (await in_process(None, "apply", "-f", str(tmp_path)))[2]
    assert "is not a folder" in (await in_process(None, "apply", "-f", str(tmp_path / "none")))[2]


REFUSED = {
    "tenants:\n  lab: {domains: [legal]}\n": ":2: tenant lab has the domains healthcare (default healthcare)",
    "domains:\n  legal: {sources: []}\n": ":2: there is no domain legal yet; publish an adapter of it first",
    "channels:\n  healthcare/triage: {live: 2}\n": ":2: healthcare/triage@2 was yanked (it harms)",
    "channels:\n  healthcare/none: {live: 2}\n": "there is no adapter healthcare/none",
    "channels:\n  healthcare/triage: {live: 9}\n": ":2: there is no release 9 of healthcare/triage; the newest is 3",
    "channels:\n  healthcare/triage: {shadow: {release: 8}}\n": "there is no release 8",
    "channels:\n  healthcare/triage: {live: 3, canary: {release: 3, weight: 5}}\n": "live and cannot be its canary too",
    "domains:\n  healthcare: {signing_keys: [none.pem]}\n": "none.pem cannot be read",
}


async def test_secrets_that_cannot_be_written_are_told_before_anything_is_done(
    releases: House, folder: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "none" / "secrets.jsonl"
    status, _, complaints = await applied(releases, folder, "--secrets", str(nowhere))
    assert (status, f"{nowhere} cannot be written (No such file or directory)" in complaints) == (1, True)
    assert (await releases.admin("GET", "/api/v1/webhooks")).json()["data"] == []


async def test_a_file_for_secrets_that_gets_none_is_not_left(releases: House, folder: Path, tmp_path: Path) -> None:
    await applied(releases, folder)
    secrets = tmp_path / "secrets.jsonl"
    assert (await applied(releases, folder, "--secrets", str(secrets)))[0] == 0
    assert not secrets.exists()


def test_a_secret_that_the_file_does_not_take_is_shown_instead(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with NewSecrets(tmp_path / "s") as new:
        new.add("tenant one", "a")
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "s").stat().st_size, hard))
        try:
            new.add("tenant two", "b")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
    assert new.shown == [{"what": "tenant one", "file": str(tmp_path / "s")}, {"what": "tenant two", "secret": "b"}]


async def test_a_canary_that_becomes_live_ends_by_itself(releases: House, folder: Path) -> None:
    await applied(releases, folder)
    (folder / "teams" / "health.yaml").write_text("channels:\n  healthcare/triage: {live: 3, canary: null}\n")
    status, _, complaints = await applied(releases, folder)
    assert (status, complaints) == (0, "")
    adapter = (await releases.admin("GET", "/api/v1/adapters/healthcare/triage")).json()
    assert (adapter["live"], adapter["canary"]) == (3, None)


async def test_an_empty_list_prunes_nothing(releases: House, folder: Path, tmp_path: Path) -> None:
    await applied(releases, folder)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.yaml").write_text("tenants: {}\nwebhooks: {}\n")
    assert (await applied(releases, tmp_path / "none", "--prune"))[0] == 0
    assert len((await releases.admin("GET", "/api/v1/tenants")).json()["data"]) == 1


async def test_what_cannot_be_is_told_before_anything_is_done(releases: House, tmp_path: Path) -> None:
    await releases.tenant("lab", "healthcare")
    await releases.admin("POST", "/api/v1/adapters/healthcare/triage/releases/2/yank", json={"reason": "it harms"})
    folder = tmp_path / "wanted"
    folder.mkdir()
    (folder / "b.yaml").write_text(WEBHOOKS)
    for text, says in REFUSED.items():
        (folder / "a.yaml").write_text(text)
        status, _, complaints = await applied(releases, folder)
        assert (status, says in complaints) == (1, True), complaints
    assert (await releases.admin("GET", "/api/v1/webhooks")).json()["data"] == []


async def test_a_change_that_fails_says_how_far_it_came_and_hands_out_what_was_made(
    releases: House, tmp_path: Path
) -> None:
    (tmp_path / "wanted").mkdir()
    (tmp_path / "wanted" / "a.yaml").write_text(WEBHOOKS + "channels:\n  healthcare/triage: {live: 3}\n")
    releases.engine.refuse_load = "out of memory"
    status, out, complaints = await applied(releases, tmp_path / "wanted", "--json")
    assert status == 1
    assert complaints.startswith("error: 1 of 2 changes were made, and then adapter healthcare/triage: ")
    said = json.loads(out)
    assert (said["applied"], [one["what"] for one in said["secrets"]]) == (False, ["webhook tickets"])


async def test_a_webhook_that_is_another_is_told(releases: House, folder: Path) -> None:
    await applied(releases, folder)
    (folder / "webhooks.yml").write_text(WEBHOOKS.replace("/hook", "/other"))
    status, _, complaints = await applied(releases, folder)
    assert status == 1
    assert (
        "webhooks.yml:3: webhook tickets has url https://tickets.example.com/hook, which is set when it" in complaints
    )


async def test_a_domains_keys_are_read_from_beside_the_file(house: House, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    folder = tmp_path / "wanted"
    folder.mkdir()
    (folder / "key.pem").write_bytes(pem)
    (folder / "a.yaml").write_text("domains:\n  legal: {signing_keys: [key.pem]}\n")
    status, out, complaints = await applied(house, folder)
    assert (status, "signing_keys" in out) == (0, True), complaints
    assert (await applied(house, folder))[1] == "nothing changes: the gateway is as the files say\n"
    (folder / "a.yaml").write_text("domains:\n  legal: {signing_keys: []}\n")
    assert (await applied(house, folder))[0] == 0
    assert (await house.admin("GET", "/api/v1/domains")).json()["data"] == []
