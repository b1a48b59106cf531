"""Merpati's own mail: in the outbox with what it tells of, through a real spool exactly once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction

from merpati.accounts.actions import suspend_account
from merpati.adapters.codec import unpacker
from merpati.contracts.batch import Accepted, Attachment, Batch, Content, Recipient
from merpati.sending.directory import Directory
from merpati.sending.errors import InvalidValue
from merpati.sending.models import OutboxFile, OutboxMail
from merpati.sending.outbox import KEPT, Outbox, forget_old
from merpati.sending.own_mail import OwnMail, message_key, post
from merpati.sending.sending_ips import add_sending_ip
from merpati.settings import DeskSettings
from merpati.spool.client import SpoolClient
from merpati.spool.files import SHARDS
from merpati.spool.reading import snapshot
from tests.api.conftest import NOW, SteppingClock
from tests.support.control import BY, make_account, make_domain

pytestmark = pytest.mark.django_db

ICS = Attachment("call.ics", "text/calendar", b"BEGIN:VCALENDAR")
MAIL = OwnMail(
    to="sari@kirim.example",
    to_name="Sari",
    subject="Your {{case}}",
    text="Halo {{name}}",
    reply_to="support+7@desk.example",
    headers={"Auto-Submitted": "auto-replied"},
    attachments=[ICS],
)


class Killed(BaseException):
    """This process ends here."""


class KilledAfterwards(SpoolClient):
    """Dies when the spool has the mail, before anybody here knows."""

    def append(self, shard: int, batch: Batch) -> Accepted:
        super().append(shard, batch)
        raise Killed


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    """A worker that stores."""
    (tmp_path / "run").mkdir()
    program = Path(__file__).parents[1] / "api" / "spool_worker.py"
    worker = subprocess.Popen([sys.executable, program, tmp_path], stdout=subprocess.PIPE)
    assert worker.stdout is not None and worker.stdout.readline() == b"ready\n"
    yield tmp_path
    worker.kill()
    worker.wait()


class Desk:
    """An account that sends from desk.example, and the outbox over it."""

    def __init__(self, spool: Path) -> None:
        self.folder = spool
        self.account = make_account()
        self.clock = SteppingClock()
        make_domain(self.account.pk, "desk.example")
        add_sending_ip(self.account.pk, "127.0.0.9", "mta.desk.example", by=BY, now=NOW)
        self.client = SpoolClient(spool / "run", 1)
        self.ids = iter(range(1_000, 2_000))

    def outbox(self, client: SpoolClient | None = None, **settings: str) -> Outbox:
        given = {"account": str(self.account.pk), "support_address": "support@desk.example"}
        return Outbox(
            DeskSettings(**(given | settings)),
            client or self.client,
            Directory(self.clock),
            lambda: str(next(self.ids)),
            self.clock,
        )

    def spooled(self) -> list[tuple[Content, Recipient]]:
        """Return what the account has in its shard, oldest first."""
        read_content, read_recipient = unpacker(Content), unpacker(Recipient)
        with snapshot(self.folder / "spool", self.account.pk % SHARDS) as shard:
            if shard is None:  # nothing was ever stored there
                return []
            rows = shard._db.execute(
                "SELECT data, recipient FROM message JOIN body USING (content_id) ORDER BY id"
            ).fetchall()
        return [(read_content.decode(c), read_recipient.decode(r)) for c, r in rows]


@pytest.fixture
def desk(spool: Path) -> Desk:
    return Desk(spool)


def the_mail() -> OutboxMail:
    return OutboxMail.objects.get()


def test_what_is_rolled_back_posts_nothing() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        post(MAIL, key="case 7", now=NOW)
        1 / 0  # noqa: B018
    assert not OutboxMail.objects.exists()


def test_a_repeat_by_its_key_is_the_same_mail() -> None:
    assert post(MAIL, key="case 7", now=NOW)
    assert not post(MAIL, key="case 7", now=NOW)
    assert post(MAIL, key="case 8", now=NOW)
    assert (OutboxMail.objects.count(), OutboxFile.objects.count()) == (2, 2)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no email address"):
        post(OwnMail("sari", "s", "t"), key="k", now=NOW)


def test_a_line_break_in_names_and_subject_becomes_a_blank() -> None:
    """H1."""
    post(OwnMail("a@x.example", "a\r\nBcc: b@x", "t", to_name="S\nX: y"), key="k", now=NOW)
    assert (the_mail().subject, the_mail().to_name) == ("a Bcc: b@x", "S X: y")


def test_it_leaves_as_it_was_written(desk: Desk) -> None:
    post(MAIL, key="case 7", now=NOW)
    assert desk.outbox().step() == 1
    ((content, recipient),) = desk.spooled()
    assert (content.sender.email, content.reply_to) == ("support@desk.example", MAIL.reply_to)
    assert (content.subject, content.text) == (MAIL.subject, MAIL.text)
    assert not content.perform_substitutions
    assert (content.attachments, content.headers) == ([ICS], dict(MAIL.headers))
    assert (recipient.rcpt_to, recipient.name) == ("sari@kirim.example", "Sari")
    assert content.message_key == message_key("case 7")
    assert the_mail().sent_at == NOW and the_mail().transmission_id == content.transmission_id
    assert not OutboxFile.objects.exists()
    assert desk.outbox().step() == 0


def test_killed_between_injection_and_mark_it_sends_once(desk: Desk, spool: Path) -> None:
    """D4, for own mail: the spool answers the second hand-over as the first."""
    post(MAIL, key="case 7", now=NOW)
    with pytest.raises(Killed):
        desk.outbox(KilledAfterwards(spool / "run", 1)).step()
    assert the_mail().sent_at is None
    assert desk.outbox().step() == 1
    ((content, _),) = desk.spooled()
    assert the_mail().transmission_id == content.transmission_id


def test_one_bad_mail_keeps_no_other_waiting(desk: Desk) -> None:
    post(OwnMail("a@x.example", "s", "t", headers={"Bcc": "b@x.example"}), key="1", now=NOW)
    post(MAIL, key="2", now=NOW)
    assert desk.outbox().step() == 1
    failed = OutboxMail.objects.get(key="1")
    assert failed.failed_at == NOW and "Bcc" in failed.trouble
    assert len(desk.spooled()) == 1


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ({"account": ""}, "not both set"),
        ({"support_address": ""}, "not both set"),
        ({"account": "nobody"}, "desk.account: "),
        ({"support_address": "support@other.example"}, "merpati domain add other.example"),
    ],
)
def test_what_is_set_wrong_keeps_mail_waiting_and_says_so(
    desk: Desk, settings: dict[str, str], trouble: str
) -> None:
    post(MAIL, key="1", now=NOW)
    outbox = desk.outbox(**settings)
    assert outbox.step() == 0
    assert trouble in outbox.trouble
    assert (the_mail().sent_at, the_mail().failed_at) == (None, None)


def test_a_suspended_account_and_a_spool_that_is_down_keep_mail_waiting(
    desk: Desk, tmp_path: Path
) -> None:
    post(MAIL, key="1", now=NOW)
    down = desk.outbox(SpoolClient(tmp_path, 1))
    assert (down.step(), the_mail().failed_at) == (0, None)
    assert down.trouble
    suspend_account(desk.account.pk, "unpaid", by=BY, now=NOW)
    outbox = desk.outbox()
    assert outbox.step() == 0
    assert "suspended" in outbox.trouble
    assert desk.spooled() == []


def test_what_waited_three_days_is_given_up_with_the_reason(desk: Desk) -> None:
    post(MAIL, key="old", now=NOW - timedelta(days=4))
    post(MAIL, key="new", now=NOW)
    desk.outbox(account="").step()
    assert "waited 3 days" in OutboxMail.objects.get(key="old").trouble
    assert desk.outbox().step() == 1
    assert len(desk.spooled()) == 1


def test_old_mail_is_forgotten_once_it_is_sent_or_failed(desk: Desk) -> None:
    post(MAIL, key="sent", now=NOW - KEPT - timedelta(days=1))
    desk.outbox().step()
    post(MAIL, key="waits", now=NOW - KEPT - timedelta(days=1))
    post(MAIL, key="new", now=NOW)
    forget_old(NOW)
    assert set(OutboxMail.objects.values_list("key", flat=True)) == {"waits", "new"}
