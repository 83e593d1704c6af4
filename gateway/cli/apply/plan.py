"""What has to be done for a gateway to be as the files say: nothing, where it is so already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.apply.files import (
    ChannelsFile,
    Declared,
    DomainFile,
    Entry,
    TenantFile,
    WebhookFile,
    values,
)
from postil.gateway.cli.apply.state import State

ADD, CHANGE, REMOVE = "add", "change", "remove"
_CANARY, _SHADOW = "canary", "shadow"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of what would change: a field of a thing, before and after."""

    action: str
    what: str
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the admin API, and the rows that it makes true.

    ``secret`` is the field with what is shown once. With ``over``, the body is put over what ``path`` says then.
    """

    rows: tuple[Row, ...]
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = None
    over: bool = False


def plan(declared: Declared, state: State, *, reason: str, prune: bool) -> list[Step]:
    """Return the steps in the order in which they are taken; what is removed comes last.

    Raises CommandError where a file asks for what cannot be, before anything was done.
    """
    steps: list[Step] = []
    for webhook in declared.webhooks.values():
        steps += _webhook(webhook, state)
    for domain in declared.domains.values():
        steps += _domain(domain, state, reason)
    for tenant in declared.tenants.values():
        steps += _tenant(tenant, state)
    for channels in declared.channels.values():
        steps += _channels(channels, state, reason, prune=prune)
    return [*steps, *(_pruned(declared, state) if prune else ())]


def _domain(entry: Entry[DomainFile], state: State, reason: str) -> Iterator[Step]:
    name, wanted = entry.name, entry.content
    what, path, known = f"domain {name}", f"/api/v1/domains/{name}", state.domains.get(name)
    if wanted.signing_keys is not None:
        pems = {key.fingerprint: key.pem for key in (_public_key(entry, text) for text in wanted.signing_keys)}
        before = sorted(key["fingerprint"] for key in known["keys"]) if known else []
        if before != sorted(pems):
            row = Row(CHANGE, what, "signing_keys", _short(before), _short(sorted(pems)))
            yield Step((row,), "PUT", f"{path}/signing-keys", {"keys": list(pems.values()), "reason": reason})
    if known is None and wanted.model_fields_set - {"signing_keys"}:
        raise CommandError(f"{entry.at}: there is no domain {name} yet; publish an adapter of it first, then apply")
    if known is not None:
        yield from _settings_of(wanted, known, state.defaults.get(name), what, path, reason)


def _settings_of(
    wanted: DomainFile, known: Mapping[str, Any], default: str | None, what: str, path: str, reason: str
) -> Iterator[Step]:
    if wanted.default is not None and wanted.default != default:
        row = Row(CHANGE, what, "default", default, wanted.default)
        yield Step((row,), "PUT", f"{path}/default", {"adapter": wanted.default, "reason": reason})
    if wanted.sources is not None and sorted(set(wanted.sources)) != sorted(known["sources"]):
        row = Row(CHANGE, what, "sources", known["sources"], sorted(set(wanted.sources)))
        yield Step((row,), "PUT", f"{path}/sources", {"sources": wanted.sources, "reason": reason})
    if wanted.quotas is not None:
        own = {name: known["quotas"][name] for name in known["quotas"]["own"]}
        yield from _merged(own, values(wanted.quotas), what, "quotas", f"{path}/quotas", {"reason": reason})


def _tenant(entry: Entry[TenantFile], state: State) -> Iterator[Step]:
    name, wanted = entry.name, entry.content
    what, path, known = f"tenant {name}", f"/api/v1/tenants/{name}", state.tenants.get(name)
    default = wanted.default_domain or wanted.domains[0]
    limits = values(wanted.limits) if wanted.limits is not None else {}
    if known is None:
        body: dict[str, Any] = {"name": name, "domains": wanted.domains, "default_domain": default}
        body |= {} if wanted.rights is None else {"rights": wanted.rights}
        rows = tuple(Row(ADD, what, key, None, value) for key, value in body.items() if key != "name")
        yield Step(rows, "POST", "/api/v1/tenants", body, secret="key")  # noqa: S106 - a field's name
        # A new tenant has limits of the gateway's own: those that a file does not name stay.
        yield from _merged(None, limits, what, "limits", f"{path}/limits", {})
        return
    if sorted(known["domains"]) != sorted(wanted.domains) or known["default_domain"] != default:
        raise CommandError(
            f"{entry.at}: tenant {name} has the domains {', '.join(known['domains'])} (default"
            f" {known['default_domain']}), which are set when it is added; remove it with"
            f" `postil tenants remove {name}` and apply again, which makes a new key"
        )
    if wanted.rights is not None and sorted(set(wanted.rights)) != known["rights"]:
        rights, now = set(wanted.rights), set(known["rights"])
        row = Row(CHANGE, what, "rights", known["rights"], sorted(rights))
        yield Step((row,), "PATCH", f"{path}/rights", {"add": sorted(rights - now), "remove": sorted(now - rights)})
    yield from _merged(known["limits"], limits, what, "limits", f"{path}/limits", {})


def _merged(
    own: Mapping[str, Any] | None,
    wanted: Mapping[str, Any],
    what: str,
    group: str,
    path: str,
    more: Mapping[str, Any],
) -> Iterator[Step]:
    """Change the figures that a file names, and keep the others. ``own`` is None where they are not known yet."""
    known = own or {}
    rows = tuple(
        Row(CHANGE, what, f"{group}.{name}", known.get(name), value)
        for name, value in wanted.items()
        if value != known.get(name)
    )
    if rows:
        yield Step(rows, "PUT", path, {**known, **wanted, **more}, over=own is None)


def _webhook(entry: Entry[WebhookFile], state: State) -> Iterator[Step]:
    name, wanted = entry.name, entry.content
    body = {"url": wanted.url, "domains": sorted(set(wanted.domains)), "allow_private": wanted.allow_private}
    known = state.webhooks.get(name)
    if known is None:
        rows = tuple(Row(ADD, f"webhook {name}", key, None, value) for key, value in body.items())
        yield Step(rows, "POST", "/api/v1/webhooks", {"name": name, **body}, secret="secret")  # noqa: S106 - as above
    elif different := [key for key, value in body.items() if known[key] != value]:
        raise CommandError(
            f"{entry.at}: webhook {name} has {different[0]} {known[different[0]]}, which is set when it is added;"
            f" remove it with `postil webhooks remove {name}` and apply again, which makes a new secret"
        )


def _channels(entry: Entry[ChannelsFile], state: State, reason: str, *, prune: bool) -> Iterator[Step]:
    name, wanted, known = entry.name, entry.content, state.adapters[entry.name]
    what, path = f"adapter {name}", f"/api/v1/adapters/{name}"
    _refuse_yanked(entry, known)
    _refuse_impossible(entry, known)
    if wanted.live is not None and wanted.live != known["live"]:
        row = Row(CHANGE, what, "live", known["live"], wanted.live)
        yield Step((row,), "POST", f"{path}/promote", {"release": wanted.live, "reason": reason})
    for which in (_CANARY, _SHADOW):
        named, share, now = which in wanted.model_fields_set, getattr(wanted, which), known[which]
        before = None if now is None else {"release": now["release"], "weight": now["weight"]}
        after = None if share is None else {"release": share.release, "weight": share.weight}
        if before == after or (share is None and not named and not prune):
            continue
        row = Row(REMOVE if after is None else CHANGE if before else ADD, what, which, before, after)
        channel = f"{path}/channels/{which}"
        if after is None and now is not None and now["release"] == wanted.live:
            continue  # It ends by itself when its release is made live.
        if after is None:
            yield Step((row,), "DELETE", channel, params={"reason": reason})
        else:
            yield Step((row,), "PUT", channel, {**after, "reason": reason})


def _refuse_yanked(entry: Entry[ChannelsFile], known: Mapping[str, Any]) -> None:
    """Refuse to bring back what was taken back, by a person or automatically: the file is older than that."""
    wanted = entry.content
    named = {wanted.live, *(share.release for share in (wanted.canary, wanted.shadow) if share is not None)}
    for release in known["releases"]:
        if release["number"] in named and release["yanked"] is not None:
            raise CommandError(
                f"{entry.at}: {release['release']} was yanked ({release['yanked']['reason']}); name another release, or"
                f" take that back with `postil unyank {release['release']}`"
            )


def _refuse_impossible(entry: Entry[ChannelsFile], known: Mapping[str, Any]) -> None:
    """Refuse a release that there is not, and a canary or a shadow of what is live."""
    wanted, newest = entry.content, max((release["number"] for release in known["releases"]), default=0)
    live = known["live"] if wanted.live is None else wanted.live
    shares = {which: share.release for which, share in ((_CANARY, wanted.canary), (_SHADOW, wanted.shadow)) if share}
    for number in (live or 0, *shares.values()):
        if number > newest:
            raise CommandError(f"{entry.at}: there is no release {number} of {entry.name}; the newest is {newest}")
    for which, number in shares.items():
        if number == live:
            raise CommandError(f"{entry.at}: release {live} of {entry.name} is live and cannot be its {which} too")


def _pruned(declared: Declared, state: State) -> Iterator[Step]:
    """Remove the tenants and webhooks that no file names, if some file names others of that kind: an empty list may be
    a template's fault.
    """
    for kind, known, named in (
        ("tenant", state.tenants, declared.tenants),
        ("webhook", state.webhooks, declared.webhooks),
    ):
        if named:
            for name in sorted(known.keys() - named.keys()):
                row = Row(REMOVE, f"{kind} {name}", "", known[name]["domains"], None)
                yield Step((row,), "DELETE", f"/api/v1/{kind}s/{name}")


def _public_key(entry: Entry[DomainFile], text: str) -> Any:
    """Read a public key; its path starts from the file's folder."""
    # Imported here because it is slow, and few files name keys.
    from postil.registry.errors import SignatureError
    from postil.registry.signing.bundles import read_public_key

    path = entry.folder / Path(text)
    try:
        return read_public_key(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SignatureError) as error:
        raise CommandError(f"{entry.at}: the key {path} cannot be read: {error}") from error


def _short(fingerprints: list[str]) -> list[str]:
    return [one[:16] for one in fingerprints]
