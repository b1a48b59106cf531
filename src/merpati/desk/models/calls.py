"""Telephone calls with customers: those that took place, and those that are booked.

Only `calls.py` and `call_back_booking.py` write these. Moments are aware datetimes, handed in.

Source: mission clause C2 (phone support by the TAM in business hours).
"""

from __future__ import annotations

from django.db import models

from merpati.accounts.models import Account
from merpati.desk.models.cases import Case
from merpati.desk.models.people import Contact, Person


class Call(models.Model):
    """A call that took place; one about a case stands in its history too."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="calls")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="calls", null=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="calls")
    spoke_with = models.CharField(max_length=200)  # the name of who was on the line
    began_at = models.DateTimeField()
    minutes = models.PositiveSmallIntegerField()
    text = models.TextField()  # what was said
    logged_at = models.DateTimeField()

    class Meta:
        """Read account by account, the latest first."""

        indexes = (models.Index(fields=["account", "began_at"], name="call_by_account"),)

    def __str__(self) -> str:
        return f"{self.person_id} and {self.spoke_with}, {self.began_at:%Y-%m-%d %H:%M}"


class CallBack(models.Model):
    """A call that a person of the desk will make at a moment; cancelled_at: it is off."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="call_backs")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="call_backs", null=True)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="call_backs")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="call_backs")
    phone = models.CharField(max_length=30)  # "+62 21 5550 100": whom to ring
    topic = models.CharField(max_length=200)
    starts_at = models.DateTimeField()  # of a slot; see `call_back_slots.py`
    version = models.PositiveIntegerField(default=0)  # of the invitation, RFC 5545 SEQUENCE
    booked_by = models.CharField(max_length=200)  # the actor as the audit trail has it
    booked_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        """Of two who want a person's slot at once one gets it: the database says which."""

        constraints = (
            models.UniqueConstraint(
                fields=["person", "starts_at"],
                condition=models.Q(cancelled_at=None),
                name="one_call_back_a_slot",
            ),
        )
        indexes = (models.Index(fields=["account", "starts_at"], name="call_back_by_account"),)

    def __str__(self) -> str:
        return f"{self.person_id} rings {self.phone} at {self.starts_at:%Y-%m-%d %H:%M}"
