"""Mail of no case is forgotten with its file; what waits, or is named elsewhere, stays."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta

import pytest

from merpati.desk.attachments import NewFile, file_store
from merpati.desk.mail.retention import forget_old_mail
from merpati.desk.models import MailState, ReceivedMail
from tests.console.test_desk_mail import received
from tests.desk.cases import MONDAY
from tests.desk.mail.conftest import MailDesk

KEPT = timedelta(days=90)
LATER = MONDAY + KEPT + timedelta(days=1)


def put_long_ago(data: bytes) -> str:
    digest = file_store().put(data)
    os.utime(file_store().path(digest), (MONDAY.timestamp(),) * 2)
    return digest


@pytest.mark.parametrize("state", [MailState.FILED, MailState.REJECTED])
def test_what_was_filed_or_set_aside_goes_with_its_file(
    mail_desk: MailDesk, state: MailState
) -> None:
    received(state=state, digest=put_long_ago(b"old"))
    received("m2", state=state, digest=put_long_ago(b"new"), received_at=LATER)
    assert forget_old_mail(KEPT, LATER) == 1
    assert ReceivedMail.objects.get().name == "m2"
    assert not file_store().path(file_digest(b"old")).exists()
    assert file_store().read(file_digest(b"new")) == b"new"


def test_what_waits_for_a_person_or_is_part_of_a_case_stays(mail_desk: MailDesk) -> None:
    received(state=MailState.UNASSIGNED)
    mail_desk.known()
    received("m2", state=MailState.ADDED, case=mail_desk.desk.opens())
    assert forget_old_mail(KEPT, LATER) == 0
    assert ReceivedMail.objects.count() == 2


def test_a_file_that_something_else_names_stays(mail_desk: MailDesk) -> None:
    both, of_a_case = put_long_ago(b"both"), put_long_ago(b"of a case")
    received(state=MailState.FILED, digest=both)
    received("m2", state=MailState.UNASSIGNED, digest=both)
    mail_desk.desk.opens(files=[NewFile("mail.eml", b"of a case")])
    os.utime(file_store().path(of_a_case), (MONDAY.timestamp(),) * 2)
    received("m3", state=MailState.FILED, digest=of_a_case)
    assert forget_old_mail(KEPT, LATER) == 2
    assert (file_store().read(both), file_store().read(of_a_case)) == (b"both", b"of a case")


def test_a_file_that_was_put_a_moment_ago_stays(mail_desk: MailDesk) -> None:
    """Somebody may be about to name it."""
    digest = put_long_ago(b"again")
    received(state=MailState.FILED, digest=digest)
    file_store().put(b"again")
    assert forget_old_mail(KEPT, LATER) == 1
    assert file_store().read(digest) == b"again"


def file_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
