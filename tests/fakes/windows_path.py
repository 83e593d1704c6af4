"""The way of an answer through the gateway, without HTTP around it: a release, its validators, its stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from postil.gateway.inference.formats import Kind
from postil.gateway.inference.guardrails.enforcer import Enforcer
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import Route
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.inference.streaming.guarded import streamed
from postil.gateway.tenancy.directory import Caller
from postil.plugins import Completion, ReleaseRef, RequestContext, Span, Validator, Verdict, window
from postil.plugins.contract import Component
from postil.registry.policy.policy import Policy, ReviewRules, ValidatorUse
from postil.registry.reviews.reviews import ReviewRequest
from tests.fakes.observers import Observer
from tests.fakes.sse import Stream, heard
from tests.fakes.windows import Finder, ban, rule_for

MODEL = "legal/notes"
BAD = ban("ban", ["bad"], wider=2)


class FindingValidator(Validator):
    """A finder as a validator."""

    name = "finding"

    def __init__(self, finder: Finder) -> None:
        self.finder = finder
        self.scope = window(finder.size)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with what is found."""
        found = self.finder.find(completion.text, completion.offset, completion.ends)
        if found is None:
            return Verdict.passed()
        return Verdict.failed("forbidden", [Span(*span) for span in found])


@dataclass
class KeptReviews:
    """Reviews in a list."""

    opened: list[ReviewRequest] = field(default_factory=list)
    sampled: list[ReviewRequest] = field(default_factory=list)

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Keep one."""
        self.opened.append(opening)
        return f"review-{len(self.opened)}"

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Keep one, later."""
        self.sampled.append(opening)


class NoPluginHost:
    """No plugin runs apart here."""

    async def call(
        self,
        domain: str,
        kind: str,
        name: str,
        config: Mapping[str, Any],
        method: str,
        arguments: Sequence[Any],
        seconds: float,
    ) -> Any:
        """Never asked."""
        raise AssertionError

    async def check(
        self, domain: str, component: Component, method: str, arguments: tuple[Any, ...], seconds: float
    ) -> Any:
        """Never asked."""
        raise AssertionError

    async def in_thread(self, domain: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Never asked."""
        raise AssertionError


class Way:
    """One request to a release with these validators in force."""

    def __init__(
        self,
        validators: Sequence[tuple[ValidatorUse, Validator]],
        *,
        kind: Kind = Kind.CHAT,
        shadow: bool = False,
        policy: Policy | None = None,
        reviews: Any = None,
        clock: Callable[[], float] = time.monotonic,
        **body: Any,
    ) -> None:
        release = LoadedRelease(
            ReleaseRef("legal", "notes", 1),
            "sha256:0",
            "postil-0",
            policy or Policy(),
            (),
            validators,
            (),
            None,
            False,
            True,
        )
        options = body.get("stream_options") or {}
        ask = CompletionRequest(kind, {"stream": True, **body}, MODEL, True, bool(options.get("include_usage")))
        self.kept = KeptReviews()
        reviews = self.kept if reviews is None else reviews
        self.ended: list[RequestRecord] = []
        self.cancelled = False
        route = Route(release, "stable", shadow=release if shadow else None)
        self.record = RequestRecord.start(
            route, Caller("firm", frozenset({"legal"})), ask, [Observer(self.ended.append)]
        )
        self.answering = Enforcer(
            self.record,
            self._never,
            plugin_host=NoPluginHost(),
            catalog=CatalogHolder(),
            reviews=reviews,
            clock=clock,
        )

    async def stream(self, reads: Iterable[bytes]) -> list[bytes]:
        """What the client gets of what the engine sends, write by write."""

        async def chunks() -> AsyncIterator[bytes]:
            for read in reads:
                assert not self.cancelled, "a request that was cancelled is read no more"
                yield read

        return [chunk async for chunk in streamed(self.answering, self.record, chunks(), self.cancel)]

    async def settle(self, choice: dict[str, Any]) -> dict[str, Any]:
        """What becomes of a whole choice."""
        await self.answering.enforce(choice)
        return choice

    async def cancel(self) -> None:
        """Take note that the engine's request is to end."""
        self.cancelled = True

    async def _never(self, release: LoadedRelease | None, request: Mapping[str, Any]) -> bytes:
        raise AssertionError("nobody asks again here")


def one_rule(on_fail: Any, finder: Finder = BAD, **options: Any) -> Way:
    """A request with one validator in force."""
    return Way([(rule_for(0, finder, on_fail).use, FindingValidator(finder))], **options)


def stream_of(way: Way, reads: Iterable[bytes], *, chat: bool = True) -> Stream:
    """The whole way of an answer, and what the client makes of it."""
    return heard(b"".join(asyncio.run(way.stream(reads))), MODEL, chat=chat)
