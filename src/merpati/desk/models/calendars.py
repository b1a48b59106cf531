"""The calendars of the Service Time Zones: hours, confirmed bank holidays, dated overrides.

Only `calendar_changes.py` writes these. They belong to the instance, not to an account. Moments
are aware datetimes, handed in; days are local days of the zone.

Source: mission clause C4.
"""

from __future__ import annotations

from django.db import models

from merpati.accounts.models import ServiceTimeZone


class HolidayList(models.TextChoices):
    """Whose bank holidays are proposed."""

    FED = "fed", "Federal Reserve"
    US_FEDERAL = "us-federal", "US federal government"
    ENGLAND = "england", "England and Wales"


class ZoneCalendar(models.Model):
    """The calendar of one Service Time Zone, and how often it was changed."""

    zone_id = models.CharField(primary_key=True, max_length=20, choices=ServiceTimeZone)
    iana = models.CharField(max_length=60)  # "America/New_York"
    weekly = models.JSONField()  # Monday to Sunday, each a list of "09:00-17:00"
    holiday_list = models.CharField(max_length=20, choices=HolidayList)
    version = models.PositiveIntegerField(default=1)  # so a result can say what it was counted with
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.zone_id


class ConfirmedYear(models.Model):
    """A year whose bank holidays a person has confirmed for a zone: its rows decide."""

    calendar = models.ForeignKey(ZoneCalendar, on_delete=models.CASCADE, related_name="years")
    year = models.PositiveSmallIntegerField()
    confirmed_by = models.CharField(max_length=200)
    confirmed_at = models.DateTimeField()

    class Meta:
        """A year is confirmed once."""

        constraints = (
            models.UniqueConstraint(fields=["calendar", "year"], name="holiday_year_once"),
        )

    def __str__(self) -> str:
        return f"{self.calendar_id} {self.year}"


class BankHoliday(models.Model):
    """A day on which the desk of a zone stays closed."""

    year = models.ForeignKey(ConfirmedYear, on_delete=models.CASCADE, related_name="days")
    falls_on = models.DateField()
    name = models.CharField(max_length=200)
    source = models.CharField(max_length=200)  # who says so: packages and lists, or the person

    class Meta:
        """A day is off once."""

        constraints = (
            models.UniqueConstraint(fields=["year", "falls_on"], name="bank_holiday_once"),
        )

    def __str__(self) -> str:
        return f"{self.falls_on} {self.name}"


class DatedOverride(models.Model):
    """Hours that replace all others of one day: longer, shorter, or none."""

    calendar = models.ForeignKey(ZoneCalendar, on_delete=models.CASCADE, related_name="overrides")
    falls_on = models.DateField()
    windows = models.JSONField()  # list of "09:00-17:00", in order and apart; empty: closed
    reason = models.CharField(max_length=200)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        """A day has one override."""

        constraints = (
            models.UniqueConstraint(fields=["calendar", "falls_on"], name="override_once"),
        )

    def __str__(self) -> str:
        return f"{self.calendar_id} {self.falls_on}"
