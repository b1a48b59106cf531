"""The acts of a case's history, as the rules of its states and clocks take them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from merpati.desk.case_states import Act, Side, Step
from merpati.desk.models import CaseUpdate


class Entry(Protocol):
    """What is read of an entry of a history: a row, or a part of one."""

    kind: str
    side: str
    at: datetime


def steps_of(updates: Iterable[Entry]) -> list[Step]:
    """Return the acts of a history in order: all its entries but those that nobody did."""
    without = {CaseUpdate.OPENED, CaseUpdate.RECOUNT}
    return [Step(Act(u.kind), Side(u.side), u.at) for u in updates if u.kind not in without]
