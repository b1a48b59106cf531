"""The steps of a plan that people do: which are done, by whom, and which keep mail from moving.

What a provider would refuse waits for its step: without a PTR record nobody moves, and at a
provider that refuses unknown IPs nobody moves before they are registered. The other steps are
shown, and hold nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from merpati.plans.migration.stored_plan import steps_now
from merpati.plans.models import Migration, MigrationStep
from merpati.reputation.migration_plan import Step, StepKind
from merpati.reputation.milestones import step_words
from merpati.reputation.share_decision import ShareKind
from merpati.reputation.words import Language
from merpati.sending.models import SendingIp

HOLD_BACK = frozenset({StepKind.PTR, StepKind.REGISTER})


@dataclass(frozen=True, slots=True)
class StepState:
    """A step, and how it was done; done: None while it is open."""

    step: Step
    done: MigrationStep | None

    @property
    def holds_back(self) -> bool:
        """Return whether mail waits for it."""
        return self.done is None and self.step.kind in HOLD_BACK

    def is_late(self, today: date) -> bool:
        """Return whether it should have been done before."""
        return self.done is None and self.step.due_on < today


def states_of(migration: Migration, steps: Iterable[Step]) -> list[StepState]:
    """Return the steps of a plan in order, each with how it was done."""
    done = {row.key: row for row in migration.steps.all()}
    return [StepState(step, done.get(step.key)) for step in steps]


def holding_steps(migration: Migration) -> list[Step]:
    """Return the open steps for which mail waits."""
    return [one.step for one in states_of(migration, steps_now(migration)) if one.holds_back]


def why_held(provider: str, holding: Iterable[Step]) -> ShareKind | None:
    """Return why nobody moves at a provider as long as steps are open, None when somebody may."""
    for step in holding:
        if step.kind is StepKind.PTR:
            return ShareKind.NO_PTR
        if step.about == provider:
            return ShareKind.NOT_REGISTERED
    return None


def ips_of(migration: Migration) -> Sequence[SendingIp]:
    """Return the sending IPs from which a migration's mail goes."""
    pools = migration.cells.values_list("pool", flat=True).distinct()
    found = SendingIp.objects.filter(account_id=migration.account_id, pool__slug__in=list(pools))
    return list(found.order_by("slot"))


def steps_document(states: Iterable[StepState], language: Language = "en") -> list[dict[str, Any]]:
    """Return steps as JSON; not who did them, who may be of the operator's people."""
    return [
        {
            "key": one.step.key,
            "kind": one.step.kind.value,
            "due_on": one.step.due_on,
            "text": step_words(one.step, language),
            "holds_back": one.step.kind in HOLD_BACK,
            "done_at": one.done.done_at if one.done else None,
            "note": (one.done.note or None) if one.done else None,
        }
        for one in states
    ]
