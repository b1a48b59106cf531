"""A desk that takes mail, its outbox, and customers' mail as their servers would send it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dkim
import pytest

from merpati.contracts.desk_mail import DeskMail
from merpati.desk.mail.drop import MailDrop
from merpati.desk.mail.intake import Intake
from merpati.desk.mail.notices import Teller
from merpati.desk.mail.place import Place
from merpati.desk.models import Case, ReceivedMail
from merpati.sandbox.dns_server import DnsServer
from merpati.sending.models import OutboxMail
from tests.desk.cases import MONDAY, SARI, Desk
from tests.support.worker import key_pair

SUPPORT = "support@desk.example"
KEY = b"k" * 32
HOST = "127.0.0.1"


def written(subject: str = "Email ke Penerima tertahan", text: str = "", **fields: str) -> bytes:
    """Return a mail as a customer's program writes it; fields: `Message_ID` for Message-ID."""
    mail = EmailMessage()
    given = {"From": f"Sari <{SARI.email}>", "To": SUPPORT, "Subject": subject}
    given |= {name.replace("_", "-"): value for name, value in fields.items()}
    given.setdefault("Message-ID", f"<{abs(hash(subject + text))}@kirim.example>")
    for name, value in given.items():
        if value:
            mail[name] = value
    mail.set_content(text or "Halo, sejak pagi ini email kami tidak sampai. Mohon dibantu.")
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))


def signed(data: bytes, domain: str = "kirim.example", **options: Any) -> bytes:
    """Return a mail with a DKIM signature of a domain, whose key `MailDesk` publishes."""
    line = dkim.sign(data, b"s1", domain.encode(), key_pair()[0], **options)
    return bytes(line) + data


@dataclass
class MailDesk:
    """A case desk with a drop; `comes(data)` is a mail that came in, taken up at once."""

    folder: Path
    dns: DnsServer
    desk: Desk = field(init=False)
    moment: datetime = MONDAY

    def __post_init__(self) -> None:
        self.desk = Desk(self.folder)
        self.drop = MailDrop(self.folder / "incoming")
        self.place = Place(
            SUPPORT, KEY, "https://mail.example", self.desk.sources, [self.dns.address]
        )
        self.intake, self.teller = Intake(self.place, self.drop), Teller(self.place)
        self.dns.add("kirim.example", "TXT", '"v=spf1 ip4:127.0.0.1 -all"')
        for domain in ("kirim.example", "other.example"):
            self.dns.add_txt(f"s1._domainkey.{domain}", f"v=DKIM1; k=rsa; p={key_pair()[1]}")

    def arrives(self, data: bytes, **envelope: Any) -> str:
        """Put a mail into the drop, as the inbound port does; by SPF it is from kirim.example."""
        given = {
            "received_at": int(self.moment.timestamp() * 1000),
            "rcpt_to": SUPPORT,
            "msg_from": SARI.email,
            "peer": HOST,
            "helo": "mx.kirim.example",
        }
        return self.drop.put(DeskMail(**(given | envelope), data=data))

    def comes(self, data: bytes, **envelope: Any) -> ReceivedMail:
        name = self.arrives(data, **envelope)
        self.intake.step(self.moment)
        return ReceivedMail.objects.get(name=name)

    def known(self) -> Case:
        """Return a case of Sari's, opened by API, with its mails told and forgotten."""
        case = self.desk.opens(self.moment, language="id")
        self.told()
        return case

    def told(self) -> list[OutboxMail]:
        """Let all be told, and return the mails of it, each once."""
        self.teller.step(self.moment)
        return self.outbox()

    def outbox(self) -> list[OutboxMail]:
        """Return what is in the outbox, each mail once."""
        mails = list(OutboxMail.objects.filter(sent_at=None).order_by("pk"))
        OutboxMail.objects.filter(pk__in=[mail.pk for mail in mails]).update(sent_at=self.moment)
        return mails

    def later(self, **time: int) -> None:
        self.moment += timedelta(**time)


@pytest.fixture
def mail_desk(db: None, tmp_path: Path, settings: Any) -> Iterator[MailDesk]:
    settings.DATA_DIR = tmp_path
    with DnsServer() as dns:
        yield MailDesk(tmp_path, dns)
