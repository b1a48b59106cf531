"""Makes the calendars of the Service Time Zones from `service_zones.toml`."""

import tomllib
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from django.db import migrations


def make_calendars(apps: Any, _schema_editor: Any) -> None:
    calendars = apps.get_model("desk", "ZoneCalendar").objects
    text = resources.files("merpati.desk").joinpath("service_zones.toml").read_text()
    for zone in tomllib.loads(text)["zone"]:
        calendars.create(
            zone_id=zone["id"],
            iana=zone["iana"],
            weekly=[zone["hours"]] * 5 + [[], []],
            holiday_list=zone["holiday_list"],
            changed_at=datetime.now(UTC),
        )


class Migration(migrations.Migration):
    dependencies = [("desk", "0001_initial")]

    operations = [migrations.RunPython(make_calendars, migrations.RunPython.noop)]
