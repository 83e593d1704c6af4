"""Asks the base and releases the same for a page: as a client would be answered, and what was done on the way.

It is the path of every completion. But nobody's evidence, shadows, metrics of requests or reviews are made of it, and
what the engine used is counted as the gateway's own, not as a tenant's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from postil.gateway.control.traffic import Traffic
from postil.gateway.errors import EngineRefusedError, GatewayError
from postil.gateway.inference import responses as answers
from postil.gateway.inference.context import DiscardReviews, InferenceContext
from postil.gateway.inference.cost import check_cost
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.engine_refusal import told
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.metering import UsageMeter, UsageSink
from postil.gateway.inference.pipeline import PipelineResponse, complete
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import CompletionRequest, from_fields
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.inference.routing.release import LoadedRelease, has_guardrails
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.quota import Quota
from postil.plugins import Outcome
from postil.registry.accounts.rights import Right

# Who used the engine, where usage is listed: no tenant can have this name.
COUNTED_FOR = "postil"
# The longest answer, where a policy does not say it, and how long all of it may take.
MOST_TOKENS = 128
_SECONDS, _QUEUE_SECONDS = 90.0, 30.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What all are asked."""

    text: str
    seed: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Check:
    """What one check said."""

    name: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TriedAnswer:
    """What became of a question. ``said`` is what the model said, once for each time that it was asked.

    ``left`` is what a client would have got; where it would have got an error, ``refused`` is its message.
    """

    said: Sequence[str] = ()
    checks: Sequence[Check] = ()
    left: str | None = None
    refused: str = ""
    fallback: str = ""
    notice: str = ""
    held: bool = False
    milliseconds: int = 0


class SideBySide:
    """Asks in a person's name. ``usage`` is where the engine's work is counted."""

    def __init__(self, context: InferenceContext, cost: CostLimits, usage: UsageSink, traffic: Traffic) -> None:
        meter = UsageMeter(_Own(usage), _NoBudget())
        self._context = replace(context, reviews=DiscardReviews(), meter=meter, observers=())
        self._cost = cost
        self._traffic = traffic

    async def ask(self, caller: Caller, question: Trial, release: LoadedRelease | None) -> TriedAnswer:
        """Ask a release, or the base (None)."""
        listener = _Listener()
        context, began = replace(self._context, observers=(listener,)), time.perf_counter()
        self._traffic.in_flight += 1
        try:
            async with asyncio.timeout(_SECONDS), AsyncExitStack() as open_streams:
                ask = _request(question, release, self._cost)
                found = _answer(await complete(context, caller, ask, open_streams))
        except EngineRefusedError as error:
            found = TriedAnswer(refused=str(told(error, "messages")))
        except GatewayError as error:
            found = TriedAnswer(refused=str(error))
        except TimeoutError:
            found = TriedAnswer(refused=f"it took longer than {_SECONDS:.0f} s")
        finally:
            self._traffic.in_flight -= 1
        return replace(listener.add_to(found, release), milliseconds=round(1000 * (time.perf_counter() - began)))


def asking(caller: Caller) -> Caller:
    """Return who asks for a person: with what the person may see, and turns and caches that no tenant shares."""
    rights = frozenset({Right.BASE, Right.NUMBERS})
    name = f"console:{caller.key or 'root'}"
    return replace(caller, name=name, domains=caller.scope or frozenset(), rights=rights, limits=None)


class _Listener:
    """Keeps the record of a request, so that it notes what the model said."""

    def __init__(self) -> None:
        self._record: RequestRecord | None = None

    def started(self, record: RequestRecord) -> None:
        """Have it note that."""
        self._record = record
        record.said = []

    def finished(self, record: RequestRecord) -> None:
        """Nothing is left to do."""

    def add_to(self, answer: TriedAnswer, release: LoadedRelease | None) -> TriedAnswer:
        """Return an answer with what was said and checked on the way to it."""
        record = self._record
        if record is None or release is None:
            return replace(answer, said=_just(answer.left))
        checks = [Check(each.validator, each.outcome.value, each.reason) for each in record.verdicts]
        said = (record.said or []) if has_guardrails(release) else _just(answer.left)
        checks += _windows(release, answer) if said and answer.left is not None else []
        return replace(answer, said=said, checks=checks, held=record.held)


class _Own:
    """Counts what is used as the gateway's own."""

    def __init__(self, usage: UsageSink) -> None:
        self._usage = usage

    def add(self, tenant: str, *counted: Any) -> None:
        """Note one request."""
        self._usage.add(COUNTED_FOR, *counted)


class _NoBudget:
    """Charges nobody."""

    def spend(self, quota: Quota | None, tokens: int) -> None:
        """Charge nothing."""


def _request(question: Trial, release: LoadedRelease | None, cost: CostLimits) -> CompletionRequest:
    """A request as a client's would be read. Raises BadRequestError."""
    body = {
        "model": BASE if release is None else str(release.ref),
        "messages": [{"role": "user", "content": question.text}],
        "seed": question.seed,
        "temperature": question.temperature,
        "max_tokens": min(MOST_TOKENS, cost.output_tokens),
    }
    deadline = time.monotonic() + _QUEUE_SECONDS
    ask = from_fields(Kind.CHAT, body, len(question.text.encode()), cost, deadline)
    check_cost(ask, cost)
    return replace(ask, release=release)


def _answer(found: PipelineResponse) -> TriedAnswer:
    """Read what a client would get. Raises UnreadableAnswerError."""
    assert isinstance(found.body, bytes), "no stream was asked for"
    choice: Mapping[str, Any] = answers.read(found.body, Kind.CHAT)["choices"][0]
    left = answers.completion(choice, Kind.CHAT).text
    headers = found.headers
    return TriedAnswer(
        left=left, fallback=headers.get("x-postil-fallback", ""), notice=headers.get("x-postil-notice", "")
    )


def _windows(release: LoadedRelease, answer: TriedAnswer) -> list[Check]:
    """What those validators said that cut or replace a part of an answer: the client is told where they did."""
    found = []
    for use, _ in release.validators:
        if use.on_fail == "fallback":
            continue
        done = re.search(rf"(?:stop|replace) \({re.escape(use.name)}: (.*?)\)(?:; |$)", answer.fallback)
        outcome = Outcome.PASSED if done is None else Outcome.FAILED
        found.append(Check(use.name, outcome.value, "" if done is None else done[1]))
    return found


def _just(text: str | None) -> list[str]:
    return [] if text is None else [text]
