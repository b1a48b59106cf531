"""Clocks of cases that ended, as reports sum them. Only `ended_clocks.py` writes these."""

from __future__ import annotations

from django.db import models

from merpati.accounts.models import Account
from merpati.desk.models.cases import Case, CaseUpdate


class EndedClock(models.Model):
    """A clock that an entry of a case's history ended; the entry says how it was counted.

    is_answer: with a word of the desk. Never changed, as the entry is not.
    """

    update = models.OneToOneField(CaseUpdate, on_delete=models.PROTECT, primary_key=True)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="ended_clocks")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(max_length=20)  # a `case_clocks.ClockName`
    is_answer = models.BooleanField()
    is_late = models.BooleanField()
    due_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        """Summed by account and month."""

        indexes = (models.Index(fields=["account", "ended_at"], name="ended_clock_by_account"),)

    def __str__(self) -> str:
        return f"#{self.case_id} {self.name} {self.ended_at:%Y-%m-%d %H:%M:%S}"
