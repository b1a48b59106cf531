"""Accounts with their order form, API keys, and the audit trail of everything that was changed.

Only `actions.py` writes these. Moments are aware datetimes, handed in; the database sets none.

Source: mission clauses C1, C4 (service plan and Service Time Zone on the order form); sparkpost-api
1.3 and 23 (keys and grants).
"""

from __future__ import annotations

from django.db import models


class Plan(models.TextChoices):
    """Service plan on the order form."""

    PREMIUM = "premium", "Premium"


class ServiceTimeZone(models.TextChoices):
    """Zone whose business hours the account's desk keeps (mission clause C4)."""

    US_EASTERN = "us-eastern", "US Eastern"
    US_PACIFIC = "us-pacific", "US Pacific"
    UK = "uk", "UK"

    @property
    def iana(self) -> str:
        """The zone's name in the IANA database."""
        return _IANA[self.value]


_IANA = {
    "us-eastern": "America/New_York",
    "us-pacific": "America/Los_Angeles",
    "uk": "Europe/London",
}


class Account(models.Model):
    """A customer: its order form, and the spool shard that holds all its mail."""

    name = models.CharField(max_length=200, unique=True)
    plan = models.CharField(max_length=20, choices=Plan)
    service_time_zone = models.CharField(max_length=20, choices=ServiceTimeZone)
    term_months = models.PositiveSmallIntegerField(null=True, blank=True)
    term_starts_on = models.DateField(null=True, blank=True)
    # Fixed for life, so that another number of workers moves whole files and rewrites nothing.
    shard = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True, blank=True)  # its mail is held meanwhile
    suspension_reason = models.CharField(max_length=200, blank=True, default="")
    closed_at = models.DateTimeField(null=True, blank=True)  # for good: its mail fails
    # None: the operator's, `delivery.retry_seconds` and `delivery.expire_seconds`.
    retry_seconds = models.PositiveIntegerField(null=True, blank=True)
    expire_seconds = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        """The order form offers known values alone."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(plan__in=Plan.values), name="account_plan_is_offered"
            ),
            models.CheckConstraint(
                condition=models.Q(service_time_zone__in=ServiceTimeZone.values),
                name="account_service_time_zone_is_known",
            ),
        )

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A key to the API. Only its hash is kept: the key itself is shown once, when it is made."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(max_length=200)
    short_key = models.CharField(max_length=4)  # the key's first characters, to tell keys apart
    key_hash = models.CharField(max_length=64, unique=True)  # SHA-256, hexadecimal
    grants = models.JSONField(default=list)  # list of names from `grants.ALL_GRANTS`
    # Whose SMTP clients act as this key without a password: "10.1.2.0/24", no two keys the same.
    trusted_networks = models.JSONField(default=list)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.label} ({self.short_key}…)"


class AuditEntry(models.Model):
    """Who changed what, and when: written in the transaction of the change itself."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=200)  # "cli:root", "api:key 1f3a"
    action = models.CharField(max_length=60)  # the action's name, "add_sending_ip"
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="audit_entries"
    )
    subject = models.CharField(max_length=300)  # what was changed: an address, a domain, a key
    detail = models.JSONField(default=dict)  # never a secret

    class Meta:
        """The trail is read by account and time."""

        indexes = (models.Index(fields=["account", "at"], name="audit_by_account"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.subject}"
