"""Support cases with their history, evidence and resolution.

Only `case_opening.py`, `case_actions.py`, `case_relations.py`, `recount.py`, `repeats.py` and
`mail/` write these; updates and records are never changed. Moments are aware datetimes, handed in.

Source: mission clauses C3 (kinds, escalation), C9 (support case, agreement).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from merpati.accounts.models import Account, Language
from merpati.desk.case_states import Side, Status
from merpati.desk.models.people import Contact, Person


class CaseKind(models.TextChoices):
    """What an issue is (mission clause C3)."""

    PROBLEM = "platform_problem", "Platform problem"
    CONFIGURATION = "configuration_request", "Configuration request"
    INFORMATION = "information_request", "Information request"


class Severity(models.TextChoices):
    """How soon the desk has to move."""

    URGENT = "urgent", "Urgent"
    HIGH = "high", "High"
    NORMAL = "normal", "Normal"
    LOW = "low", "Low"


class LinkKind(models.TextChoices):
    """What a case can name, so that evidence is taken of it."""

    DOMAIN = "domain", "Domain"
    SENDING_IP = "sending_ip", "Sending IP"
    CAMPAIGN = "campaign", "Campaign"
    MESSAGE = "message", "Message"


_SIDES = [(side.value, side.value) for side in Side]
_STATUSES = [(status.value, status.value) for status in Status]


class Case(models.Model):
    """A support case. One clock runs at a time: to the first answer, then to the next update."""

    number = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="cases")
    kind = models.CharField(max_length=30, choices=CaseKind)
    severity = models.CharField(max_length=10, choices=Severity)
    language = models.CharField(max_length=5, choices=Language)
    subject = models.CharField(max_length=200)
    opened_by = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="cases_opened")
    watchers = models.ManyToManyField(Contact, related_name="cases_watched")
    representative = models.ForeignKey(
        Person, on_delete=models.PROTECT, related_name="cases", null=True
    )
    status = models.CharField(max_length=30, choices=_STATUSES, default=Status.OPEN.value)
    proposed_by = models.CharField(max_length=10, choices=_SIDES, null=True)  # noqa: DJ001
    turn = models.CharField(max_length=10, choices=_SIDES, default=Side.DESK.value)
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()  # of the last update
    first_answer_due_at = models.DateTimeField()
    first_answered_at = models.DateTimeField(null=True)
    clock_started_at = models.DateTimeField(null=True)  # None: it stands, or the case is closed
    due_at = models.DateTimeField(null=True)  # when the running clock ends
    remind_at = models.DateTimeField(null=True)  # whose turn it is; None: nothing, or done
    escalated_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="merged_cases", null=True
    )
    merged_at = models.DateTimeField(null=True)
    worked = models.DurationField(null=True)  # the desk's working time, of a case that is resolved
    waited = models.DurationField(null=True)  # and what it waited for the customer

    class Meta:
        """The states as `case_states.py` has them; lists by account, the queue by what is due."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(status=Status.PROPOSED.value, proposed_by__isnull=False)
                | (~models.Q(status=Status.PROPOSED.value) & models.Q(proposed_by=None)),
                name="case_proposed_by_a_side",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status=Status.RESOLVED.value, resolved_at__isnull=False, due_at=None
                )
                | (~models.Q(status=Status.RESOLVED.value) & models.Q(resolved_at=None)),
                name="case_resolved_at_a_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status=Status.MERGED.value,
                    merged_into__isnull=False,
                    merged_at__isnull=False,
                    due_at=None,
                )
                | (~models.Q(status=Status.MERGED.value) & models.Q(merged_into=None)),
                name="merged_case_goes_on_in_another",
            ),
        )
        indexes = (
            models.Index(fields=["account", "number"], name="case_by_account"),
            models.Index(fields=["representative", "due_at", "number"], name="case_by_due"),
            models.Index(fields=["due_at", "number"], name="case_due"),
            models.Index(fields=["status", "due_at"], name="case_by_status"),
            models.Index(fields=["remind_at"], name="case_to_remind"),
            models.Index(fields=["account", "resolved_at"], name="case_by_resolution"),
        )

    def __str__(self) -> str:
        return f"#{self.number} {self.subject}"


class CaseUpdate(models.Model):
    """One entry of a case's history. kind: an act of `case_states.py`, "opened" or "recount"."""

    OPENED: ClassVar[str] = "opened"
    RECOUNT: ClassVar[str] = "recount"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="updates")
    kind = models.CharField(max_length=30)
    at = models.DateTimeField()
    side = models.CharField(max_length=10, choices=_SIDES)
    author_name = models.CharField(max_length=200)
    author_email = models.CharField(max_length=254, blank=True)
    via = models.CharField(max_length=200)  # the actor as the audit trail has it
    text = models.TextField(blank=True)
    is_internal = models.BooleanField(default=False)
    detail = models.JSONField(default=dict)  # plain values of the kind

    class Meta:
        """Read in order, case by case."""

        indexes = (models.Index(fields=["case", "id"], name="update_by_case"),)

    def __str__(self) -> str:
        return f"#{self.case_id} {self.kind} {self.at:%Y-%m-%d %H:%M:%S}"


class CaseLink(models.Model):
    """Something a case names, with what its traffic looked like then (`evidence.py`)."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="links")
    kind = models.CharField(max_length=20, choices=LinkKind)
    value = models.CharField(max_length=255)
    evidence = models.JSONField()

    class Meta:
        """A case names a thing once."""

        constraints = (
            models.UniqueConstraint(fields=["case", "kind", "value"], name="case_link_once"),
        )

    def __str__(self) -> str:
        return f"#{self.case_id} {self.kind} {self.value}"


class RelatedCase(models.Model):
    """That two cases have to do with each other; first: the lower number of the two."""

    first = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        """Two cases are related once, whichever is named first."""

        constraints = (
            models.UniqueConstraint(fields=["first", "second"], name="related_once"),
            models.CheckConstraint(
                condition=models.Q(first__lt=models.F("second")), name="related_in_order"
            ),
        )

    def __str__(self) -> str:
        return f"#{self.first_id} and #{self.second_id}"


class ResolutionRecord(models.Model):
    """What both sides agreed on, as it was signed (`resolution_record.py`)."""

    case = models.OneToOneField(
        Case, on_delete=models.PROTECT, primary_key=True, related_name="record"
    )
    document = models.JSONField()

    def __str__(self) -> str:
        return f"#{self.case_id}"


class CaseAttachment(models.Model):
    """A file of an entry of a case's history; what is in it is on disk (`attachments.py`)."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="attachments")
    update = models.ForeignKey(CaseUpdate, on_delete=models.PROTECT, related_name="attachments")
    name = models.CharField(max_length=150)
    type = models.CharField(max_length=200)  # as its sender called it: not to be believed
    size_bytes = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)  # SHA-256

    def __str__(self) -> str:
        return f"#{self.case_id} {self.name}"


class Notice(models.Model):
    """An entry of a case's history that email has still to tell of.

    Written with the entry, gone with the transaction that puts those mails into the outbox
    (`mail/notices.py`): so none is forgotten and none is told twice.
    """

    update = models.OneToOneField(CaseUpdate, on_delete=models.CASCADE, primary_key=True)

    def __str__(self) -> str:
        return f"of {self.update_id}"


class AnsweredRequest(models.Model):
    """A request with an idempotency key, and the case that it opened or changed (`repeats.py`)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=32)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+", null=True)

    class Meta:
        """An account uses a key once."""

        constraints = (
            models.UniqueConstraint(fields=["account", "key"], name="request_once_an_account"),
        )

    def __str__(self) -> str:
        return f"{self.account_id} {self.key}"
