"""Running clocks of a zone, counted again when its calendar changed: part of the change itself.

Clocks that ended stay as they were counted then. A case whose promise moved says so in its history.
"""

from __future__ import annotations

import logging
from datetime import datetime

from merpati.accounts import audit
from merpati.desk.calendars import service_hours
from merpati.desk.case_actions import progress_of, promised_anew
from merpati.desk.case_clocks import due_of
from merpati.desk.case_states import Side
from merpati.desk.models import Case, CaseUpdate, ZoneCalendar

log = logging.getLogger(__name__)


def recount_running_clocks(calendar: ZoneCalendar, *, by: str, now: datetime) -> list[int]:
    """Count each running clock of a zone again; return the numbers of the cases it moved.

    Raises NothingWithin, BeyondCalendar: a calendar with which an open case could never fall due.
    """
    hours = service_hours(calendar)
    running = Case.objects.filter(
        account__service_time_zone=calendar.zone_id, clock_started_at__isnull=False
    )
    moved = []
    for case in running.order_by("number").iterator(chunk_size=500):
        progress = progress_of(case)
        due = due_of(hours, case.severity, progress)
        before = case.due_at
        if due is None or before is None or due.at == before:
            continue
        columns = promised_anew(hours, case, progress, case.severity, due)
        Case.objects.filter(pk=case.pk, clock_started_at=case.clock_started_at).update(**columns)
        case.updates.create(
            kind=CaseUpdate.RECOUNT,
            at=now,
            side=Side.DESK,
            author_name=f"{calendar.get_zone_id_display()} calendar",
            via=by,
            detail={
                "recounted": progress.clock.value,
                "due_before": before.isoformat(),
                "due_at": due.at.isoformat(),
                "calendar_version": calendar.version,
            },
        )
        moved.append(case.pk)
    if moved:
        audit.record(
            "recount_clocks", calendar.zone_id, by=by, now=now, account_id=None, cases=moved
        )
        log.info("recount zone=%s version=%s cases=%s", calendar.zone_id, calendar.version, moved)
    return moved
