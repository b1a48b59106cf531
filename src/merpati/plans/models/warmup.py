"""What people say about a warm-up: how much is wanted in the end, and a day decided by hand."""

from __future__ import annotations

from django.db import models

from merpati.sending.models import SendingIp


class WarmupTarget(models.Model):
    """How many messages a day an IP is to carry to a provider in the end, as somebody set it."""

    sending_ip = models.ForeignKey(
        SendingIp, on_delete=models.CASCADE, related_name="warmup_targets"
    )
    provider = models.CharField(max_length=253)
    messages_per_day = models.PositiveIntegerField()
    set_by = models.CharField(max_length=200)
    set_at = models.DateTimeField()

    class Meta:
        """One for each IP and provider."""

        constraints = (
            models.UniqueConstraint(
                fields=["sending_ip", "provider"], name="warmup_target_per_ip_provider"
            ),
        )

    def __str__(self) -> str:
        return f"{self.messages_per_day} a day to {self.provider}"


class WarmupOverride(models.Model):
    """Days on which a person's number holds instead of the controller's. Kept; the newest counts.

    On the day it was given it also stands against the pace within the day: whoever gave it has seen
    what was refused until then.
    """

    sending_ip = models.ForeignKey(
        SendingIp, on_delete=models.CASCADE, related_name="warmup_overrides"
    )
    provider = models.CharField(max_length=253)
    first_day = models.DateField()
    last_day = models.DateField()
    messages = models.PositiveIntegerField()
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        """It has a reason, and an end."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(last_day__gte=models.F("first_day")),
                name="warmup_override_ends",
            ),
            models.CheckConstraint(
                condition=~models.Q(reason=""), name="warmup_override_has_reason"
            ),
        )

    def __str__(self) -> str:
        return f"{self.messages} to {self.provider} until {self.last_day}"
