"""The clocks that ended and how long resolved cases took, counted from the histories there are."""

from itertools import islice
from typing import Any

from django.db import migrations
from django.db.models import Prefetch

from merpati.desk.calendars import service_hours
from merpati.desk.case_clocks import age
from merpati.desk.case_steps import steps_of
from merpati.desk.ended_clocks import remember_all

ROWS = 500  # cases at once


def fill(apps: Any, schema_editor: Any) -> None:
    cases, updates, clocks, calendars = (
        apps.get_model("desk", name).objects
        for name in ("Case", "CaseUpdate", "EndedClock", "ZoneCalendar")
    )
    remember_all(updates.all(), clocks)
    hours = {calendar.pk: service_hours(calendar) for calendar in calendars.all()}
    entries = updates.only("case", "kind", "side", "at").order_by("pk")
    resolved = (
        cases.exclude(resolved_at=None)
        .select_related("account")
        .prefetch_related(Prefetch("updates", entries))
        .iterator(ROWS)
    )
    while step := list(islice(resolved, ROWS)):
        for case in step:
            zone, steps = hours[case.account.service_time_zone], steps_of(case.updates.all())
            counted = age(zone, case.opened_at, steps, case.resolved_at)
            case.worked, case.waited = counted.of_the_desk, counted.waited
        cases.bulk_update(step, ["worked", "waited"])


class Migration(migrations.Migration):
    dependencies = [("desk", "0008_ended_clocks")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
