"""A plan's steps as a page shows them: what, until when, done by whom; the PTR check in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext

from merpati.accounts.models import Membership
from merpati.console.moving.refusals import language
from merpati.plans.migration.steps import StepState, states_of
from merpati.plans.models import Migration
from merpati.reputation.migration_plan import Step, StepKind
from merpati.reputation.milestones import step_words
from merpati.sending.ip_names import Verdict
from merpati.sending.models import SendingIp


@dataclass(frozen=True, slots=True)
class Line:
    """A step as a page shows it. who: did it, in words; is_checked: a program can see to it."""

    state: StepState
    words: str
    badge: str
    look: str
    who: str
    is_checked: bool


def checklist(
    migration: Migration, steps: Sequence[Step], today: date, *, for_desk: bool
) -> list[Line]:
    """Return the steps in order."""
    members: set[str] = set()
    if not for_desk:
        found = Membership.objects.filter(account_id=migration.account_id)
        members = set(found.values_list("user__email", flat=True))
    return [_line(one, today, members, for_desk=for_desk) for one in states_of(migration, steps)]


def _line(one: StepState, today: date, members: set[str], *, for_desk: bool) -> Line:
    badge, look = gettext("open"), ""
    if one.done:
        badge, look = gettext("done"), "good"
    elif one.holds_back:
        badge, look = gettext("mail waits for it"), "bad" if one.is_late(today) else "warn"
    elif one.is_late(today):
        badge, look = gettext("late"), "warn"
    who = ""
    if one.done:
        kind, _, name = one.done.done_by.partition(":")
        # Who of the operator's people did it is nothing to the customer.
        hidden = not for_desk and (kind == "cli" or (kind == "user" and name not in members))
        who = gettext("the desk") if hidden else name
    words = step_words(one.step, language())
    return Line(one, words, badge, look, who, one.step.kind is StepKind.PTR)


def names_in_words(found: Sequence[tuple[SendingIp, Verdict]]) -> list[str]:
    """Return a sentence for each sending IP whose names are not as providers want them."""
    words = {
        Verdict.NOT_PUBLIC: gettext(
            "%(address)s is no public address: see to the PTR record of the public one, then tick "
            "the step off."
        ),
        Verdict.NOT_ASKED: gettext("%(address)s: DNS gave no answer. Try again later."),
        Verdict.NO_PTR: gettext(
            "%(address)s has no PTR record. Ask who owns the address to set it to %(hostname)s."
        ),
        Verdict.ASTRAY: gettext(
            "The PTR record of %(address)s names a host that does not lead back to it. Set it to "
            "%(hostname)s."
        ),
        Verdict.HELO_ASTRAY: gettext(
            "%(hostname)s does not lead to %(address)s. Publish an address record for it."
        ),
    }
    return [
        words[verdict] % {"address": ip.address, "hostname": ip.hostname}
        for ip, verdict in found
        if verdict in words
    ]
