"""``postil domains freeze | unfreeze | sources`` and ``postil tenants refuse | admit``: an admin's switches."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.commands.releases import Reason
from postil.gateway.cli.commands.yank import NeededReason
from postil.gateway.cli.output import AsJson, say

DomainName = Annotated[str, typer.Argument(help="The domain.")]
TenantName = Annotated[str, typer.Argument(help="The tenant's name.")]


def freeze(domain: DomainName, reason: NeededReason, as_json: AsJson = False) -> None:
    """Freeze a domain: nothing of it can be published, promoted, tried or pinned. What is live answers on.

    You can still roll back, yank and retire.
    """
    sentence = f"{domain} is frozen; `postil domains unfreeze {domain}` ends that"
    _switch("POST", f"/api/v1/domains/{domain}/freeze", {"reason": reason}, sentence, as_json)


def unfreeze(domain: DomainName, reason: Reason = "", as_json: AsJson = False) -> None:
    """End a freeze."""
    _switch("POST", f"/api/v1/domains/{domain}/unfreeze", {"reason": reason}, f"{domain} is unfrozen", as_json)


def sources(
    domain: DomainName,
    allow: Annotated[
        list[str] | None, typer.Option(help="hf://org/name or hf://org/*; repeat the option for several.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Allow no source any more.")] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Set what the domain's publishers may fetch from a hub with the gateway's token; it replaces what was allowed.

    They may fetch public adapters in any case. Admins may fetch with the token what they like.
    """
    if none == bool(allow):
        raise CommandError("give either --allow 'hf://org/*' (once or more) or --none")
    body = {"sources": allow or [], "reason": reason}
    allowed = ", ".join(sorted(set(allow or []))) or "nothing"
    sentence = f"publishers of {domain} may fetch {allowed} with the gateway's token"
    _switch("PUT", f"/api/v1/domains/{domain}/sources", body, sentence, as_json)


def refuse(name: TenantName, reason: NeededReason, as_json: AsJson = False) -> None:
    """Refuse every request of a tenant at once, on all gateways. Its keys stay."""
    sentence = f"{name} is refused; `postil tenants admit {name}` ends that"
    _switch("POST", f"/api/v1/tenants/{name}/refuse", {"reason": reason}, sentence, as_json)


def admit(name: TenantName, reason: Reason = "", as_json: AsJson = False) -> None:
    """Admit a refused tenant again."""
    _switch("POST", f"/api/v1/tenants/{name}/admit", {"reason": reason}, f"{name} is admitted again", as_json)


def _switch(method: str, path: str, body: dict[str, Any], sentence: str, as_json: bool) -> None:
    with connected() as client:
        state = call(client, method, path, json=body)
    say(state, sentence, as_json)
