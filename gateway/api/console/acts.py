"""The forms of an adapter: each calls what the admin API and the commands call, with the same right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, post
from litestar.params import FromPath

from postil.gateway.api.admin.params import AnyRequest, adapter_name
from postil.gateway.api.console.forms import Form, read_form
from postil.gateway.api.console.notices import go_to_and_say
from postil.gateway.api.console.person import person
from postil.gateway.control.canary_steps import StepService
from postil.gateway.control.releases import ReleaseService
from postil.gateway.control.retire import RetireService
from postil.gateway.tenancy.permissions import Permission
from postil.registry.names import AdapterName
from postil.registry.releases.channels import CANARY, STABLE, Precondition
from postil.registry.releases.state import AdapterState

Act = Callable[[AdapterName, Form, str, str], Awaitable[AdapterState]]
_PATH = "/adapters/{domain:str}/{adapter:str}"
# The release that the form is about; what its page showed as live (0: none), as canary (0: none) and as the canary's
# share (empty: none); the share that is wanted; and why.
_FIELDS = ("release", "seen", "canary", "share", "weight", "reason")
# What a form did, as the page says it afterwards.
_DONE = {
    "promote": "The release is live.",
    "rollback": "The release is live again.",
    "canary": "The canary answers its share from now on.",
    "canary-stop": "The canary has ended.",
    "canary-next": "The canary is at its next step.",
    "canary-hold": "The canary stays at this step until somebody makes the next.",
    "canary-continue": "The canary goes on by evidence.",
    "retire": "The release is out of service.",
    "restore": "The release is in service again.",
    "yank": "The release is yanked: nobody gets it.",
    "unyank": "The yank is undone.",
}


def act_routes(releases: ReleaseService, retiring: RetireService, steps: StepService) -> list[Any]:
    """Return the routes that the forms are sent to."""
    acts = {**_live_acts(releases), **_canary_acts(releases), **_step_acts(steps), **_service_acts(releases, retiring)}
    return [_route(what, act) for what, act in acts.items()]


def _route(what: str, act: Act) -> Any:
    @post(f"{_PATH}/{what}", status_code=200, may=Permission.PUBLISH)
    async def acted(request: AnyRequest, domain: FromPath[str], adapter: FromPath[str]) -> Response[bytes]:
        name = adapter_name(domain, adapter)
        form = await read_form(request, _FIELDS)
        await act(name, form, form.needed("reason", "the reason"), person(request))
        return go_to_and_say(request, f"/console/adapters/{name}", _DONE[what])

    return acted


def _live_acts(releases: ReleaseService) -> dict[str, Act]:
    """What moves the live release, if it is still the one that the page showed, and the canary for a promotion."""

    async def promote(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        only = Precondition(form.number("seen"), canary=_seen_canary(form))
        return await releases.promote(name.release(form.number("release")), reason=reason, actor=actor, only=only)

    async def rollback(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        return await releases.rollback(
            name.release(form.number("release")), reason=reason, actor=actor, only=_seen(form)
        )

    return {"promote": promote, "rollback": rollback}


def _canary_acts(releases: ReleaseService) -> dict[str, Act]:
    """What moves the canary, if it and its share are still those that the page showed."""

    async def point(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        ref, share = name.release(form.number("release")), form.share("weight")
        return await releases.point(ref, CANARY, share, reason=reason, actor=actor, only=_seen_canary(form))

    async def clear(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        return await releases.clear(name, CANARY, reason=reason, actor=actor, only=_seen_canary(form))

    return {"canary": point, "canary-stop": clear}


def _step_acts(steps: StepService) -> dict[str, Act]:
    """What moves a canary along its steps, if it and its share are still those that the page showed."""

    async def advance(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        ref = name.release(form.number("canary"))
        return await steps.advance(ref, reason=reason, actor=actor, only=_seen_canary(form))

    def hold(*, held: bool) -> Act:
        async def act(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
            ref = name.release(form.number("canary"))
            return await steps.hold(ref, held=held, reason=reason, actor=actor, only=_seen_canary(form))

        return act

    return {"canary-next": advance, "canary-hold": hold(held=True), "canary-continue": hold(held=False)}


def _service_acts(releases: ReleaseService, retiring: RetireService) -> dict[str, Act]:
    """What takes a release out of service and puts it back."""

    async def retire(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        return await retiring.retire_release(name.release(form.number("release")), reason=reason, actor=actor)

    async def restore(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        return await retiring.restore_release(name.release(form.number("release")), reason=reason, actor=actor)

    async def yank(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        ref = name.release(form.number("release"))
        return await releases.yank(ref, reason=reason, actor=actor, which=STABLE, only=_seen(form))

    async def unyank(name: AdapterName, form: Form, reason: str, actor: str) -> AdapterState:
        return await releases.unyank(name.release(form.number("release")), reason=reason, actor=actor)

    return {"retire": retire, "restore": restore, "yank": yank, "unyank": unyank}


def _seen(form: Form) -> Precondition:
    return Precondition(number=form.number("seen"))


def _seen_canary(form: Form) -> Precondition:
    return Precondition(number=form.number("canary"), weight=form.share("share") if form.text("share") else None)
