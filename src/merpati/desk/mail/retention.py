"""Mail of no case is forgotten after a while: what was filed by itself, or set aside by a person.

What waits for a person waits; what became part of a case stays as long as the case does.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from merpati.desk import attachments
from merpati.desk.models import CaseAttachment, MailState, ReceivedMail

STEP = 500  # mails, in one transaction
MARGIN = timedelta(days=1)  # a file that was put since may be about to become part of something


def forget_old_mail(kept: timedelta, now: datetime) -> int:
    """Forget mail that came longer ago than `kept`, with its files; return how many.

    Raises OSError: then the rows are gone, and a file may stay that nobody names.
    """
    forgotten = 0
    while step := _forget_some(now - kept):
        for digest in set(step) - _named(step):
            attachments.file_store().forget(digest, (now - MARGIN).timestamp())
        forgotten += len(step)
    return forgotten


def _forget_some(before: datetime) -> list[str]:
    """Delete the rows of some mails; return the digests of their files."""
    over = ReceivedMail.objects.filter(
        state__in=(MailState.FILED, MailState.REJECTED), received_at__lt=before
    )
    with transaction.atomic():
        found = list(over.order_by("state", "id").values_list("pk", "digest")[:STEP])
        ReceivedMail.objects.filter(pk__in=[pk for pk, _ in found]).delete()
    return [digest for _, digest in found]


def _named(digests: list[str]) -> set[str]:
    """Return which files are still part of something."""
    return {
        digest
        for model in (ReceivedMail, CaseAttachment)
        for digest in model.objects.filter(digest__in=digests).values_list("digest", flat=True)
    }
