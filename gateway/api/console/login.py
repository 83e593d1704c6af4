"""``/console/login`` and ``/console/logout``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from litestar import Response, get, post
from litestar.params import FromQuery

from postil.gateway.api.admin.params import AnyRequest
from postil.gateway.api.console.cookie import Cookies
from postil.gateway.api.console.failures import SignInNeededError
from postil.gateway.api.console.forms import Form, read_form
from postil.gateway.api.console.guard import signed_in
from postil.gateway.api.console.one_time import OneTimeLink
from postil.gateway.api.console.pages import PREFIX, Pages, go_to
from postil.gateway.api.console.sessions import Attempts, Sessions
from postil.gateway.api.denied import origin, owner_of
from postil.gateway.errors import AuthenticationError, ForbiddenError, GatewayError, KeyForbiddenError
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempt, DeniedAttempts
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.registry.accounts.denied_attempts import NOBODY
from postil.registry.accounts.keys import TAKEN
from postil.registry.text import cleaned, spelling

# Where a login may lead: to a page of the console.
_OWN_PAGE = re.compile(r"/console(?:/[A-Za-z0-9._~@/-]*)?")
_LONGEST_NAME = 64
# Names that nobody else gives itself: of the gateway's own acts, among others.
_TAKEN = TAKEN - {"admin"}
_NO_COOKIE = (
    "Your browser kept no cookie, so you are not signed in. Open the console over HTTPS, or on http://localhost, and"
    " allow cookies."
)


class Login:
    """What both routes need."""

    def __init__(
        self,
        sessions: Sessions,
        cookies: Cookies,
        callers: Callers,
        denied: DeniedAttempts,
        pages: Pages,
        *,
        link: OneTimeLink,
        read_key: Callable[[], str],
    ) -> None:
        self.sessions = sessions
        self.cookies = cookies
        self.callers = callers
        self.pages = pages
        self.link = link
        self._read_key = read_key
        self._denied = denied
        self._failed = Attempts()

    def form(
        self, request: AnyRequest, then: str, *, status: int = 200, said: str = "", once: str = ""
    ) -> Response[str]:
        """Return the page that asks for a key; not if a link of one use brings a secret that is good."""
        once = once if self.link.fits(once) else ""
        return self.pages.page(request, "login.html", status=status, then=_own(then), said=said, once=once)

    async def begin(self, request: AnyRequest, form: Form) -> Response[Any]:
        """Sign somebody in, or say why not."""
        address, then = origin(request.scope), form.text("next")
        person = cleaned(form.text("person"))[:_LONGEST_NAME]
        if spelling(person).lower() in _TAKEN:  # Before a link of one use is used up.
            said = f"The log writes {person} for what no person did; give your own name."
            return self.form(request, then, status=400, said=said, once=form.text("once"))
        try:
            handle, caller = self._known(f"Bearer {self._key_of(form)}")
        except (AuthenticationError, ForbiddenError) as error:
            return self._refused(request, then, address, error)
        self.end(request)
        cookie = self.cookies.set(request, self.sessions.open(handle, person if caller.root else ""))
        return go_to(f"/console/login?kept=1&next={_own(then)}", cookie=cookie)

    def end(self, request: AnyRequest) -> None:
        """End the sessions that a request brings."""
        for identity in self.cookies.ids(request):
            self.sessions.close(identity)

    def _refused(
        self, request: AnyRequest, then: str, address: str, error: AuthenticationError | ForbiddenError
    ) -> Response[str]:
        """Say why a key signs nobody in; too many of them from one address wait.

        A key that is good is let in all the same: behind a proxy all people have one address.
        """
        if (wait := self._failed.wait(address)) > 0:
            return self.form(request, then, status=429, said=f"Too many attempts; try again in {wait} seconds.")
        self._failed.note(address)
        owner, key = owner_of(error)
        self._denied.note(DeniedAttempt(owner or NOBODY, key, address, f"POST {PREFIX}/login", error.status))
        return self.form(request, then, status=error.status, said=f"{str(error)[:1].upper()}{str(error)[1:]}.")

    def _key_of(self, form: Form) -> str:
        """Return the key that was typed, or the key file's for a link of one use."""
        if not (once := form.text("once")):
            return form.text("key")
        if not self.link.take(once):
            raise AuthenticationError("this link was used already, or is too old; sign in with a key")
        return self._read_key()

    def _known(self, authorization: str) -> tuple[str, Caller]:
        """Return the handle and caller of a key that is good for a page at least."""
        if authorization == "Bearer ":
            raise AuthenticationError("no key was given; paste one that begins with postil_, or the admin key")
        directory = self.callers.current
        caller = directory.known(authorization)
        if not (caller.may(Permission.SEE) or caller.may(Permission.REVIEW)):
            error = KeyForbiddenError(
                f"a {caller.role}'s key opens no page; use a key of role publisher, reviewer, viewer or admin"
            )
            error.owner, error.key = caller.owner, caller.key
            raise error
        return directory.handle(authorization), caller


def login_routes(login: Login) -> list[Any]:
    """Return the routes that begin and end a session."""

    @get("/login", public=True, sync_to_thread=False)
    def asked(request: AnyRequest, kept: FromQuery[str] = "", once: FromQuery[str] = "") -> Response[Any]:
        then = request.query_params.get("next", "")
        try:
            signed_in(request, login.sessions, login.cookies, login.callers)
        except SignInNeededError:
            return login.form(request, then, said=_NO_COOKIE if kept else "", once=once)
        except GatewayError as error:  # The gateway is still starting.
            return login.form(request, then, status=error.status, said=str(error))
        return go_to(_own(then))

    @post("/login", public=True, status_code=200)
    async def begun(request: AnyRequest) -> Response[Any]:
        return await login.begin(request, await read_form(request, ("key", "person", "next", "once")))

    @post("/logout", public=True, status_code=200, sync_to_thread=False)
    def ended(request: AnyRequest) -> Response[Any]:
        login.end(request)
        return go_to("/console/login", cookie=login.cookies.clear(request))

    return [asked, begun, ended]


def _own(then: str) -> str:
    """Return where a login leads; anything but a page of the console is the console's home."""
    fits = _OWN_PAGE.fullmatch(then) and not {"", ".", ".."} & set(then[1:].split("/"))
    fits = fits and not then.startswith(("/console/login", "/console/logout"))
    return then if fits else "/console"
