"""Where a case stands, at a glance and in words: whose turn, since when, what is promised, why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from merpati.console import words
from merpati.console.desk_now import DeskNow
from merpati.desk import case_document
from merpati.desk.case_clocks import ClockName
from merpati.desk.case_states import CLOSED, Side, Status
from merpati.desk.models import Case


@dataclass(frozen=True, slots=True)
class Standing:
    """A case at a glance.

    turn: "customer", "desk", or "" once it is closed; turn_since: when it became that side's turn.
    promise: what the desk owes next, due_at its moment; None while the clock stands. counted: how
    that was counted, in words. paused: why the clock stands, in words, or "".
    waited, age: working time in words.
    """

    turn: str
    turn_since: datetime | None
    promise: str
    due_at: datetime | None
    is_late: bool
    counted: str
    paused: str
    waited: str
    age: str
    of_the_desk: str


def standing(case: Case, desk: DeskNow, now: datetime, *, reader: Side) -> Standing:
    """Return where a case stands, in the language that is active. Five queries.

    desk: of the account's zone, since outside its hours the clock stands too; reader: to which
    side it is told. Raises BeyondCalendar, NothingWithin.
    """
    clocks = case_document.clocks(case, list(case.updates.order_by("id")), now)
    running = next(
        (
            clocks[name]
            for name in (ClockName.FIRST_ANSWER, ClockName.NEXT_UPDATE)
            if clocks[name]["state"] == "running"
        ),
        None,
    )
    waits = clocks["waiting_for_customer"]["waits"]
    is_closed = case.status in CLOSED
    return Standing(
        turn="" if is_closed else case.turn,
        turn_since=None if is_closed else _since(case, waits),
        promise=_promise(case),
        due_at=running["due_at"] if running else None,
        is_late=bool(running and running["is_late"]),
        counted=running["explanation"] if running else "",
        paused=_paused(case, desk, reader),
        waited=words.working_time(clocks["waiting_for_customer"]["minutes"]),
        age=words.working_time(clocks["age"]["minutes"]),
        of_the_desk=words.working_time(clocks["age"]["minutes_of_the_desk"]),
    )


def _since(case: Case, waits: list[dict[str, Any]]) -> datetime:
    if not waits:
        return case.opened_at
    last = waits[-1]
    at: datetime = last["from"] if case.turn == Side.CUSTOMER else last["to"]
    return at


def _promise(case: Case) -> str:
    if case.status in CLOSED:
        return ""
    if case.first_answered_at is None:
        return gettext("First answer")
    return gettext("Next update")


def _paused(case: Case, desk: DeskNow, reader: Side) -> str:
    if case.status in CLOSED:
        return ""
    if case.turn == Side.CUSTOMER:
        if case.status == Status.PROPOSED:
            return gettext("The clock stands: the proposal waits for an answer.")
        if reader == Side.CUSTOMER:
            return gettext("The clock stands: support needs an answer of yours.")
        return gettext("The clock stands: an answer of the customer is needed.")
    if not desk.is_open:
        return gettext("The clock stands while support is closed (%(why)s).") % {"why": desk.why}
    return ""
