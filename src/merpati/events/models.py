"""What of the events stands in the control database: alerts. `alerts.py` is their only writer."""

from __future__ import annotations

from django.db import models

from merpati.accounts.models import Account


class Alert(models.Model):
    """Something that an account's people and the desk should know of.

    kind: a value of `alerts.Kind`; subject: what it is about, as the kind says; facts: what its
    sentence uses. ended_at: when it was over, None while it lasts. seen_at: by somebody.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="alerts")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=300)
    facts = models.JSONField()
    raised_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Of one thing there is one alert while it lasts; listed the newest first."""

        constraints = (
            models.UniqueConstraint(
                fields=["account", "kind", "subject"],
                condition=models.Q(ended_at=None),
                name="alert_lasts_once",
            ),
        )
        indexes = (models.Index(fields=["account", "-id"], name="alert_of_account"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
