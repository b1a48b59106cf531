"""Mail that came in for the desk: whose it is, whether that is proved, and what became of it.

Only `mail/` writes these. The mail itself is a file, by its digest (`attachments.file_store`).
"""

from __future__ import annotations

from django.db import models

from merpati.desk.models.cases import Case, CaseUpdate
from merpati.desk.models.people import Contact


class MailState(models.TextChoices):
    """What became of a mail."""

    OPENED = "opened", "Opened a case"
    ADDED = "added", "Added to a case"
    FILED = "filed", "Filed, not answered"
    UNASSIGNED = "unassigned", "Waits for a person"
    REJECTED = "rejected", "Set aside"


class Proof(models.TextChoices):
    """By what the sender is known to be who they say."""

    NONE = "", "Not proved"
    DKIM = "dkim", "DKIM, aligned"
    SPF = "spf", "SPF, aligned"
    TOKEN = "token", "Signed address"


class ReceivedMail(models.Model):
    """A mail to the support address, or to postmaster or abuse of our domains."""

    name = models.CharField(max_length=100, unique=True)  # of its file as it came in: once
    digest = models.CharField(max_length=64)  # SHA-256 of the whole mail
    received_at = models.DateTimeField()
    msg_from = models.CharField(max_length=320, blank=True)  # "" for the null sender
    rcpt_to = models.CharField(max_length=320)
    peer = models.CharField(max_length=45)
    helo = models.CharField(max_length=255)
    size_bytes = models.PositiveIntegerField()
    from_email = models.CharField(max_length=320, blank=True)  # as the header says, lower case
    from_name = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    message_id = models.CharField(max_length=255, blank=True)
    text = models.TextField(blank=True)  # all of it, quoted history too
    proof = models.CharField(max_length=10, choices=Proof, blank=True)
    state = models.CharField(max_length=20, choices=MailState)
    reason = models.CharField(max_length=500, blank=True)  # of the state, for people
    is_automatic = models.BooleanField(default=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="mails")
    update = models.OneToOneField(
        CaseUpdate, on_delete=models.PROTECT, null=True, related_name="mail"
    )
    decided_by = models.CharField(max_length=200, blank=True)  # who attached or rejected it

    class Meta:
        """Listed by state, counted by sender and by case."""

        indexes = (
            models.Index(fields=["state", "id"], name="mail_by_state"),
            models.Index(fields=["from_email", "received_at"], name="mail_by_sender"),
            models.Index(fields=["case", "received_at"], name="mail_by_case"),
            models.Index(fields=["message_id"], name="mail_by_message_id"),
        )

    def __str__(self) -> str:
        return f"{self.from_email}: {self.subject}"
