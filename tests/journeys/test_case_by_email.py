"""A case by email alone, in Indonesian, from the first mail to the signed agreement (clause C9).

Real processes, real SMTP in both directions, real DNS: each mail that leaves is parsed, its DKIM
signature verified, and answered as a mail program would; each clock's account is added up.
"""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import make_msgid
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import dkim
import pytest

from harness.customer import sign_up
from harness.service import Merpati, wait_until
from merpati.sandbox.dns_server import DnsServer
from tests.support.control import run_script
from tests.support.http_calls import call
from tests.support.mailbox import Mailbox, mailbox, send
from tests.support.prepared import prepared

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]  # forty processes, one by one

SUPPORT = "support@desk.example"
BUDI, SARI = "budi@desk.example", "sari@kirim.example"


PEOPLE = f"""
from merpati.desk import people
account_id = int(sys.argv[1])
people.add_person("Budi", "{BUDI}", role="tam", language="id", phone="+44 20 7946 0000", by=BY,
                  now=NOW)
people.assign_tam(account_id, "{BUDI}", by=BY, now=NOW)
people.add_contact(account_id, "Sari", "{SARI}", by=BY, now=NOW)
"""


@dataclass
class Journey:
    """Both sides, and what Sari last received, which she answers."""

    merpati: Merpati
    box: Mailbox
    dns: DnsServer
    api_key: str
    thread: list[str] = field(default_factory=list)
    reply_to: str = SUPPORT
    told: EmailMessage | None = None  # what Budi last received

    def writes(self, subject: str, text: str, source: str = "127.0.0.1") -> None:
        """Let Sari write, to where the last mail she got says, quoting nothing."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = f"Sari <{SARI}>", self.reply_to, subject
        mail["Message-ID"] = make_msgid(domain="kirim.example")
        if self.thread:
            mail["In-Reply-To"], mail["References"] = self.thread[-1], " ".join(self.thread)
        mail.set_content(text)
        self.thread.append(mail["Message-ID"])
        send(self.merpati.addresses["inbound"], mail, self.reply_to, source)

    def sari_gets(self) -> tuple[str, EmailMessage]:
        """Return text and whole of the next mail to Sari, checked as her server would."""
        mail, raw = self.box.next(SARI)
        assert dkim.verify(raw, dnsfunc=self._txt), raw.decode()
        assert mail["From"].addresses[0].addr_spec == SUPPORT
        assert mail["X-Loop"] == SUPPORT
        references = str(mail["References"]).split()
        assert mail["In-Reply-To"] == references[-1]
        assert self.thread[0] in references  # the mail that opened the case
        kinds = [part.get_content_type() for part in mail.walk()]
        assert kinds == ["multipart/alternative", "text/plain", "text/html"]
        self.thread.append(str(mail["Message-ID"]))
        self.reply_to = str(mail["Reply-To"])
        assert self.reply_to.startswith("support+") and self.reply_to.endswith("@desk.example")
        return said_in(mail), mail

    def budi_gets(self) -> str:
        self.told, raw = self.box.next(BUDI)
        assert dkim.verify(raw, dnsfunc=self._txt)
        return said_in(self.told)

    def budi_answers(self, text: str, source: str = "127.0.0.1") -> None:
        """Let Budi answer the mail that he last got, quoting it as his program does."""
        assert self.told is not None
        reply_to = str(self.told["Reply-To"])
        quoted = "".join(f"> {line}\n" for line in said_in(self.told).splitlines())
        mail = EmailMessage()
        mail["From"], mail["To"] = f"Budi <{BUDI}>", reply_to
        mail["Subject"] = f"Re: {self.told['Subject']}"
        mail["Message-ID"] = make_msgid(domain="desk.example")
        mail["In-Reply-To"] = str(self.told["Message-ID"])
        mail.set_content(f"{text}\n\nPada Jum, {SUPPORT} menulis:\n{quoted}")
        send(self.merpati.addresses["inbound"], mail, reply_to, source)

    def case(self, number: int) -> Any:
        """Return the case as its account's developer sees it, each account added up."""
        status, answer = call(
            self.merpati.addresses["http"],
            "GET",
            f"/api/merpati/v1/cases/{number}",
            None,
            key=self.api_key,
        )
        assert status == 200, answer
        clocks = answer["results"]["clocks"]
        age = clocks["age"]
        assert added_up(age["account"]) == pytest.approx(age["minutes"])
        waited = clocks["waiting_for_customer"]["minutes"]
        assert age["minutes_of_the_desk"] == pytest.approx(age["minutes"] - waited)
        for name, promised in (("first_answer", 240), ("next_update", 960)):
            if clocks[name].get("account"):
                assert added_up(clocks[name]["account"]) == pytest.approx(promised), name
        return answer["results"]

    def _txt(self, name: bytes, timeout: float = 5) -> bytes | None:
        from merpati.adapters.dns import DnsError, txt_records  # noqa: PLC0415

        try:
            return txt_records(name.decode(), [self.dns.address])[0].encode()
        except DnsError:
            return None


def said_in(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def added_up(account: list[dict[str, Any]]) -> float:
    return sum(span["minutes"] for day in account for span in day["counted"])


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    with mailbox() as box, DnsServer() as dns:
        merpati = Merpati(
            prepared(tmp_path / "data"),
            *("--workers", "1"),
            environment={
                "MERPATI_DESK__ACCOUNT": "Meja Layanan",
                "MERPATI_DESK__SUPPORT_ADDRESS": SUPPORT,
                "MERPATI_DNS__SERVERS": dns.address,
                "MERPATI_CONSOLE__URL": "https://mail.desk.example",
            },
        )
        merpati.start()
        try:
            customer = sign_up(merpati)
            ips = {"127.0.0.4": "mta.desk.example"}
            desk = sign_up(merpati, "Meja Layanan", "desk.example", ips)
            dns.add_txt(*desk.dkim_record)
            for domain in ("kirim.example", "desk.example"):
                dns.add(domain, "TXT", '"v=spf1 ip4:127.0.0.1 -all"')
            merpati.command("route", "add", "*", f"127.0.0.1:{box.port}")
            run_script(merpati.data, PEOPLE, customer.account_id)
            yield Journey(merpati, box, dns, customer.api_key)
        finally:
            code = merpati.stop()
        assert code == 0, merpati.log.read_text()[-2000:]


def test_a_case_by_email_goes_on_until_both_sides_agree(journey: Journey, tmp_path: Path) -> None:
    """D1, L1, L3, L5."""
    command = journey.merpati.command
    assert command("config", "check")["faults"] == []

    # Sari writes; whoever forges her is kept apart, and hears nothing.
    journey.writes("Email tertahan", "Ini palsu.", source="127.0.0.9")
    journey.thread.clear()
    text = "Halo, sejak pagi email ke tari@penerima.example tidak sampai. Mohon dibantu."
    journey.writes("Email tertahan", text)
    # Whoever read it is killed; it is read again, and once.
    os.kill(journey.merpati.pids()["clock"], signal.SIGKILL)
    text, mail = journey.sari_gets()
    (forged,) = command("case", "mail", "list")["mails"]
    assert (forged["proof"], forged["case"]) == (None, None)
    number = int(re.search(r"#(\d+)", str(mail["Subject"]))[1])  # type: ignore[index]
    case = journey.case(number)
    assert mail["Subject"] == f"[#{number}] Email tertahan"
    assert mail["Auto-Submitted"] == "auto-replied"
    due = case["first_answer_due_at"]
    assert "Jam layanan kami: Sen sampai Jum 08:30-16:30" in text
    assert f"{due[11:16]} (" in text and "Penanggung jawabnya adalah Budi" in text
    assert (case["language"], case["links"][0]["value"]) == ("id", "penerima.example")
    assert f"kasus #{number}" in journey.budi_gets()

    # An out-of-office note to the acknowledgement is filed, and nothing answers it.
    note = EmailMessage()
    note["From"], note["Subject"] = SARI, "Balasan otomatis: di luar kantor"
    note["Auto-Submitted"] = "auto-replied"
    note.set_content("Saya sedang cuti.")
    send(journey.merpati.addresses["inbound"], note, journey.reply_to)

    # The first answer, by mail to his own address, ends the first clock; a question stops the next.
    journey.budi_answers("Ini palsu.", source="127.0.0.9")
    journey.budi_answers("Kami periksa sekarang.")
    text, mail = journey.sari_gets()
    waiting = command("case", "mail", "list")["mails"]
    assert sorted(kept["from"]["email"] for kept in waiting) == [BUDI, SARI]  # both forged
    assert "Kami periksa sekarang." in text and mail["From"].addresses[0].display_name == "Budi"
    assert mail["Auto-Submitted"] is None
    assert "> Halo, sejak pagi" in text
    clocks = journey.case(number)["clocks"]
    assert (clocks["first_answer"]["state"], clocks["first_answer"]["is_late"]) == ("ended", False)
    command("case", "ask", str(number), "Sejak jam berapa tepatnya?")
    text, _ = journey.sari_gets()
    assert "kami memerlukan sesuatu dari Anda" in text
    case = journey.case(number)
    assert (case["status"], case["turn"]) == ("waiting_for_customer", "customer")
    assert case["clocks"]["next_update"]["state"] == "standing"

    # She answers from wherever her program sends: the address is proof.
    journey.writes("Re: lain", "Sejak 08.00.\n\nPada Jum, Budi menulis:\n> Sejak jam", "127.0.0.9")
    assert "Sejak 08.00." in journey.budi_gets()
    case = journey.case(number)
    assert (case["status"], case["timeline"][-1]["text"]) == ("open", "Sejak 08.00.")
    command("case", "update", str(number), "Penyedia sedang memeriksa.")
    text, _ = journey.sari_gets()
    assert "Berikut perkembangannya" in text
    assert f"{journey.case(number)['due_at'][11:16]} (" in text

    # A mail never agrees, and the link acts only when it is posted.
    command("case", "propose", str(number), "Blokir sudah dicabut.")
    text, _ = journey.sari_gets()
    assert "https://mail.desk.example/c/" in text and "Blokir sudah dicabut." in text
    journey.writes("Re: setuju", "Setuju.")
    assert "Setuju." in journey.budi_gets()
    assert journey.case(number)["status"] == "proposed"
    page = Page(journey, text)
    assert journey.case(number)["status"] == "proposed"  # it was looked at, and no more
    page.sends("dispute", "Dua email masih tertahan.")
    assert "menolak usulan" in journey.budi_gets()
    command("case", "propose", str(number), "Dua yang terakhir juga sudah terkirim.")
    text, _ = journey.sari_gets()
    page = Page(journey, text)
    for _ in range(2):  # pressed twice, it is done once
        page.sends("agree", "Terima kasih.")
    text, mail = journey.sari_gets()
    assert "Kedua pihak setuju" in text and "Dua yang terakhir" in text
    assert mail["Auto-Submitted"] == "auto-replied"
    assert "setuju" in journey.budi_gets()

    # The record is signed; what comes now is kept with the case, and answered so.
    status, record = call(
        journey.merpati.addresses["http"],
        "GET",
        f"/api/merpati/v1/cases/{number}/record",
        None,
        key=journey.api_key,
    )
    (tmp_path / "record.json").write_text(json.dumps(record))
    verified = command("case", "verify", str(tmp_path / "record.json"))["record"]
    assert (status, [step["what"] for step in verified["steps"]]) == (
        *(200, ["proposal", "dispute", "proposal", "agreement"]),
    )
    journey.writes("Re: Email tertahan", "Satu lagi…")
    mail, _ = journey.box.next(SARI)
    assert "sudah selesai" in said_in(mail)
    case = journey.case(number)
    assert case["status"] == "resolved"
    assert case["clocks"]["next_update"]["state"] == "ended"
    states = wait_until(lambda: sorted_states(journey, number), "all mail to be sorted")
    assert states == ["added", "added", "added", "filed", "filed", "opened", "unassigned"]
    assert journey.box.unread(SARI) == journey.box.unread(BUDI) == []


def sorted_states(journey: Journey, number: int) -> list[str]:
    mails = journey.merpati.command("case", "mail", "list", "--case", str(number))["mails"]
    return sorted(mail["state"] for mail in mails) if len(mails) == 7 else []


class Page:
    """The page behind the link of a mail, as Sari's browser has it."""

    def __init__(self, journey: Journey, text: str) -> None:
        (self._path,) = set(re.findall(r"https://mail\.desk\.example(/c/\S+)", text))
        self._site = f"http://{journey.merpati.addresses['http']}"
        with urllib.request.urlopen(f"{self._site}{self._path}", timeout=30) as answer:
            self._html = answer.read().decode()
            cookies = answer.headers.get_all("Set-Cookie", [])
        self._cookie = "; ".join(cookie.partition(";")[0] for cookie in cookies)

    def sends(self, name: str, text: str) -> None:
        """Send one of its forms."""
        action = re.escape(f'action="{self._path}/{name}"')
        (form,) = re.findall(rf"<form[^>]*{action}.*?</form>", self._html, re.DOTALL)
        hidden = [field for field in re.findall(r"<input[^>]*>", form) if 'type="hidden"' in field]
        fields = dict(map(named, hidden)) | {"text": text}
        request = urllib.request.Request(
            f"{self._site}{self._path}/{name}",
            urlencode(fields).encode(),
            {"Cookie": self._cookie},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


def named(field: str) -> tuple[str, str]:
    name, value = (re.findall(rf'{key}="([^"]*)"', field) for key in (" name", " value"))
    return unescape(name[0]), unescape(value[0])
