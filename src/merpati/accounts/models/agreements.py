"""What people agreed to: the exclusions of an order form, the privacy notice. Never changed.

Only `order_form.py` and `privacy.py` write these.

Source: mission clauses C8 (exclusions acknowledged), C13 (consent to a versioned privacy notice).
"""

from __future__ import annotations

from django.db import models

from merpati.accounts.models.customers import Account
from merpati.accounts.models.users import Language, User


class OrderAcknowledgement(models.Model):
    """That a customer acknowledged what the service plan excludes, in the words they read."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="order_acknowledgements"
    )
    wordings = models.JSONField()  # exclusion → text as it was shown
    language = models.CharField(max_length=5, choices=Language)
    acknowledged_by = models.CharField(max_length=500)  # "Sari <sari@kirim.example>"
    # None: on paper, recorded by an administrator.
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    acknowledged_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.account_id} {self.acknowledged_at:%Y-%m-%d} {self.acknowledged_by}"


class PublishedNotice(models.Model):
    """A version of the privacy notice that replaced the one before it."""

    version = models.CharField(max_length=40, unique=True)
    texts = models.JSONField()  # language → text
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.version


class PrivacyAcknowledgement(models.Model):
    """That a user agreed to a version of the privacy notice, in the language they read."""

    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="privacy_acknowledgements"
    )
    version = models.CharField(max_length=40)
    language = models.CharField(max_length=5, choices=Language)
    acknowledged_at = models.DateTimeField()

    class Meta:
        """Once is enough."""

        constraints = (
            models.UniqueConstraint(fields=["user", "version"], name="privacy_version_agreed_once"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} {self.version}"
