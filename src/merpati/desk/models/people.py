"""People of the desk and of its customers: staff, TAMs of accounts, absences, contacts.

Only `people.py` and `case_opening.py` write these. Moments are aware datetimes, handed in; days are
local days of the service zone.

Source: mission clauses C2 (TAM with phone and email), C3 (escalation after onboarding), C11.
"""

from __future__ import annotations

from django.db import models

from merpati.accounts.models import Account, Language


class StaffRole(models.TextChoices):
    """What a member of the Customer Success Team is."""

    TAM = "tam", "Technical Account Manager"
    REPRESENTATIVE = "representative", "Representative"


class Person(models.Model):
    """A member of the Customer Success Team."""

    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, unique=True)  # lower case
    phone = models.CharField(max_length=30, blank=True)  # "+44 20 7946 0000"; a TAM has one
    language = models.CharField(max_length=5, choices=Language)
    role = models.CharField(max_length=20, choices=StaffRole)
    created_at = models.DateTimeField()

    class Meta:
        """A TAM can be phoned."""

        constraints = (
            models.CheckConstraint(
                condition=~models.Q(role=StaffRole.TAM, phone=""), name="tam_has_a_phone"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class Absence(models.Model):
    """Days on which a person does not work, first and last included."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="absences")
    starts_on = models.DateField()
    ends_on = models.DateField()
    reason = models.CharField(max_length=200)  # for colleagues; customers do not see it
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        """It does not end before it starts."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(ends_on__gte=models.F("starts_on")), name="absence_runs_forward"
            ),
        )

    def __str__(self) -> str:
        return f"{self.person_id} {self.starts_on} to {self.ends_on}"


class TamAssignment(models.Model):
    """Who was an account's TAM, with which deputy, from when to when; ended_at None: still is."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="tam_assignments")
    tam = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="accounts_as_tam")
    deputy = models.ForeignKey(
        Person, on_delete=models.PROTECT, related_name="accounts_as_deputy", null=True
    )
    assigned_at = models.DateTimeField()
    assigned_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """An account has one TAM at a time, who is not their own deputy."""

        constraints = (
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(ended_at=None), name="one_tam_at_a_time"
            ),
            models.CheckConstraint(
                condition=models.Q(deputy=None) | ~models.Q(deputy=models.F("tam")),
                name="tam_is_not_the_deputy",
            ),
        )

    def __str__(self) -> str:
        return f"{self.account_id}: {self.tam_id}"


class Onboarding(models.Model):
    """That an account's onboarding is complete: from then on the TAM is the escalation point."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True)
    completed_at = models.DateTimeField()
    completed_by = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.account_id} {self.completed_at:%Y-%m-%d}"


class Contact(models.Model):
    """A person at a customer, by the address to which the desk answers."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="contacts")
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254)  # lower case
    created_at = models.DateTimeField()

    class Meta:
        """An account knows an address once."""

        constraints = (
            models.UniqueConstraint(fields=["account", "email"], name="contact_once_an_account"),
        )

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"
