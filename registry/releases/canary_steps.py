"""Raise a canary in steps, hold it at one, and go on: each is one transaction with its event.

The first step is a canary like any other. What ends the steps is every other move of the canary or of what is live,
and freezing the domain; the canary then keeps its share, or has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from postil.plugins import ReleaseRef
from postil.registry.db import queries as store
from postil.registry.db.canary_tables import CanarySteps
from postil.registry.db.database import Database
from postil.registry.db.tables import Channel
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases.channels import (
    ANY,
    CANARY,
    STABLE,
    Precondition,
    channel,
    check_beside,
    existing_release,
    move,
    usable_release,
)
from postil.registry.releases.freeze import check_not_frozen
from postil.registry.releases.step_plan import StepPlan, check_steps, plan_in_force

HOLD, CONTINUE = "canary-hold", "canary-continue"


def begin_steps(
    database: Database,
    ref: ReleaseRef,
    steps: Sequence[float],
    *,
    reason: str,
    actor: str,
    hold: bool = False,
    only: Precondition = ANY,
) -> None:
    """Make a release the canary with the first of these shares. With ``hold`` each next step is made by hand.

    Raises NotFoundError, WeightError, StepsError, or ConflictError if that release is live, if none is, if it goes
    through these steps already, or if ``only`` does not hold of the canary.
    """
    wanted, name = check_steps(steps), AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        usable_release(session, ref)
        check_not_frozen(session, name.domain)
        found, stable = channel(session, name, CANARY), channel(session, name, STABLE)
        only.check(session, found, name)
        check_beside(ref, CANARY, stable)
        row = store.canary_steps(session, name)
        known = plan_in_force(row, {CANARY: found, STABLE: stable})
        if found.number == ref.number and known is not None and known.steps == tuple(wanted):
            raise ConflictError(
                f"{ref} goes through these steps already, at {known.weight:g} per cent; go on with"
                f" `postil canary {ref} --next`"
            )
        row = row or CanarySteps(domain=name.domain, adapter=name.adapter, number=0, steps=[], canary_revision=0,
                                 stable_revision=0)  # fmt: skip
        row.number, row.steps, row.step, row.held = ref.number, wanted, 0, hold
        row.stable_revision = stable.revision
        _set_weight(session, row, found, name, reason=reason, actor=actor, details={"held": hold})


def advance(
    database: Database,
    ref: ReleaseRef,
    *,
    reason: str,
    actor: str,
    only: Precondition = ANY,
    by_evidence: bool = False,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Raise a canary to its next step; ``by_evidence`` not if it is held.

    Raises NotFoundError, or ConflictError if another release is the canary, if it has no steps, or no further one, or
    if ``only`` does not hold of the canary: of two who saw the same step, one makes the next.
    """
    name = AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        row, found, plan = _in_force(session, ref, only)
        usable_release(session, ref)
        check_not_frozen(session, name.domain)
        if plan.next_weight is None:
            raise ConflictError(f"{ref} is at its last step, {plan.weight:g} per cent; promote it, or end the canary")
        if by_evidence and plan.held:
            raise ConflictError(f"{ref} is held at {plan.weight:g} per cent; see `postil status`")
        row.step += 1
        _set_weight(session, row, found, name, reason=reason, actor=actor, details=details or {})


def hold_steps(
    database: Database, ref: ReleaseRef, *, held: bool, reason: str, actor: str, only: Precondition = ANY
) -> None:
    """Hold a canary at its step, or let it go on by evidence.

    Raises NotFoundError, or ConflictError if another release is the canary, if it has no steps, if it is held already
    (or is not), or if ``only`` does not hold of the canary.
    """
    name = AdapterName(ref.domain, ref.adapter)
    with database.write() as session:
        store.lock_for_writing(session)
        row, _, plan = _in_force(session, ref, only)
        if plan.held == held:
            state = "is held already" if held else "is not held"
            raise ConflictError(f"{ref} {state}, at {plan.weight:g} per cent; see `postil status`")
        row.held = held
        session.add(row)
        store.record(
            session,
            actor=actor,
            action=HOLD if held else CONTINUE,
            subject=str(name),
            reason=reason,
            before=ref.number,
            after=ref.number,
            details={"weight": plan.weight},
        )


def _in_force(session: Session, ref: ReleaseRef, only: Precondition) -> tuple[CanarySteps, Channel, StepPlan]:
    """The steps of a release that is the canary. Raises NotFoundError or ConflictError."""
    name = AdapterName(ref.domain, ref.adapter)
    existing_release(session, ref)
    found, stable = channel(session, name, CANARY), channel(session, name, STABLE)
    only.check(session, found, name)
    if not found.number:
        raise NotFoundError(f"{name} has no canary; see `postil status`")
    if found.number != ref.number:
        raise ConflictError(f"the canary of {name} is {name.release(found.number)}, not {ref}; see `postil status`")
    row = store.canary_steps(session, name)
    plan = plan_in_force(row, {CANARY: found, STABLE: stable})
    if row is None or plan is None:
        raise ConflictError(f"{ref} is a canary without steps; give it some with `postil canary {ref} --steps 5,25,50`")
    return row, found, plan


def _set_weight(
    session: Session,
    row: CanarySteps,
    found: Channel,
    name: AdapterName,
    *,
    reason: str,
    actor: str,
    details: Mapping[str, Any],
) -> None:
    """Give the canary the share of its step, with the event."""
    found.weight = row.steps[row.step]
    before = move(session, found, row.number)
    row.canary_revision = found.revision
    session.add(row)
    store.record(
        session,
        actor=actor,
        action=CANARY,
        subject=str(name),
        reason=reason,
        before=before,
        after=row.number,
        details={"weight": found.weight, "steps": row.steps, "step": row.step + 1, **details},
    )
