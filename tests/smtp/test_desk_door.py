"""The inbound door and the desk: whose mail is taken, where it is before the 250, limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from merpati.adapters.codec import unpacker
from merpati.contracts.desk_mail import DeskMail
from merpati.desk.contact_links import ContactLink, StaffLink, reply_address, staff_address
from merpati.desk.mail.drop import MailDrop
from merpati.message.submitted import HEADER_BYTES
from merpati.smtp.brakes import Rate
from merpati.smtp.desk_door import DeskDoor
from merpati.smtp.inbound import Inbound
from merpati.smtp.session import MESSAGE_BYTES, Door, Envelope, Session
from merpati.smtp.takers import Incoming
from tests.api.conftest import SteppingClock
from tests.smtp.test_inbound import OURS, CollectingJournal

KEY = b"k" * 32
SUPPORT = "support@desk.example"
TOKEN = reply_address(KEY, ContactLink(7, 3), SUPPORT)
STAFF = staff_address(KEY, StaffLink(7, 3), SUPPORT)
CHANGED = f"{TOKEN[:9]}{'0' if TOKEN[9] != '0' else '1'}{TOKEN[10:]}"
MAIL = b"From: sari@kirim.example\r\nSubject: Halo\r\n\r\nHalo.\r\n"


class DeskPort:
    def __init__(self, folder: Path, support: str = SUPPORT, reserve_bytes: int = 0) -> None:
        self.drop = MailDrop(folder / "incoming")
        clock = SteppingClock()
        domains = frozenset({"mta.example", "bounces.mta.example", "desk.example"})
        desk = DeskDoor(self.drop, folder, clock, support, domains, KEY, reserve_bytes)
        self.inbound = Inbound(
            *(CollectingJournal(), clock, "mta.example", "bounces.mta.example", KEY),
            Rate(lambda: 0.0, 20, 1),
            desk,
        )

    def take(self, data: bytes = MAIL, to: str = SUPPORT) -> str:
        envelope = Envelope("sari@kirim.example", (to,), data, "mx.example", "ESMTP", None)
        (reply,) = self.inbound.judge([Incoming(envelope, "192.0.2.9")])
        assert isinstance(reply, str)
        return reply


@pytest.fixture
def port(tmp_path: Path) -> DeskPort:
    return DeskPort(tmp_path)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        pytest.param(SUPPORT, None, id="support"),
        pytest.param(SUPPORT.upper(), None, id="in capitals"),
        pytest.param(TOKEN, None, id="token"),
        pytest.param(STAFF, None, id="token of the staff"),
        pytest.param(OURS, None, id="a return path still"),
        pytest.param("postmaster@mta.example", None, id="postmaster"),
        pytest.param("Abuse@desk.example", None, id="abuse"),
        pytest.param("postmaster@other.example", "550 5.7.1", id="of others"),
        pytest.param(CHANGED, "550 5.1.1", id="changed"),
        pytest.param("support+x@desk.example", "550 5.1.1", id="made up"),
        pytest.param("sales@desk.example", "550 5.7.1", id="another name"),
        pytest.param("victim@example.net", "550 5.7.1", id="relaying"),
    ],
)
def test_the_desk_takes_its_own_mail_and_relays_none(
    port: DeskPort, address: str, code: str | None
) -> None:
    """R1."""
    refusal = port.inbound.recipient_refusal(address)
    assert (refusal and refusal[:9]) == code


def test_a_made_up_token_is_told_where_to_write(port: DeskPort) -> None:
    assert SUPPORT in (port.inbound.recipient_refusal("support+x@desk.example") or "")


def test_without_an_address_it_takes_nothing(tmp_path: Path) -> None:
    port = DeskPort(tmp_path, support="")
    for address in (SUPPORT, TOKEN, "postmaster@mta.example", ""):
        assert port.inbound.recipient_refusal(address) is not None


def test_a_mail_is_whole_on_disk_before_the_250(
    port: DeskPort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D1, D2: synced under another name first, then renamed, then its folder synced."""
    done: list[str] = []
    sync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name[:1]}")
        sync(handle)

    def renamed(path: Path, target: Path) -> Path:
        done.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    assert port.take(to=TOKEN) == "250 2.0.0 OK"
    assert done == ["sync .", "rename", "sync i"]
    (file,) = (tmp_path / "incoming").iterdir()
    kept = unpacker(DeskMail).decode(file.read_bytes())
    assert (kept.data, kept.rcpt_to, kept.peer) == (MAIL, TOKEN, "192.0.2.9")


def test_what_cannot_be_kept_is_never_250(port: DeskPort, tmp_path: Path) -> None:
    """D5."""
    (tmp_path / "incoming").write_text("a file where the folder should be")
    assert port.take().startswith("451 4.3.0")
    assert DeskPort(tmp_path, reserve_bytes=1 << 60).take().startswith("452 4.3.1")


def test_a_mail_that_goes_round_in_circles_is_refused(port: DeskPort) -> None:
    assert port.take(b"Received: by here\r\n" * 101 + MAIL).startswith("554 5.4.6")


def test_a_header_without_end_is_refused(port: DeskPort) -> None:
    assert port.take(b"X: y\r\n" * (HEADER_BYTES // 6 + 1) + MAIL).startswith("552 5.3.4")
    assert port.drop.waiting() == []


def said(session: Session, text: bytes) -> str:
    session.receive(text)
    answer = bytes(session.out).decode()
    session.out.clear()
    return answer


def begun(port: DeskPort) -> Session:
    session = Session(Door("mta.example", False, False, port.inbound.recipient_refusal), False)
    session.greet()
    said(session, b"EHLO mx.example\r\n")
    return session


def test_fifty_megabytes_are_refused_by_what_is_announced(port: DeskPort) -> None:
    """At SIZE, before a byte of it; the limit stands in the answer to EHLO too."""
    session = begun(port)
    answer = said(session, b"MAIL FROM:<sari@kirim.example> SIZE=52428800\r\n")
    assert answer.startswith("552 5.3.4") and str(MESSAGE_BYTES) in answer


def test_fifty_megabytes_that_nobody_announced_are_refused_at_their_end(port: DeskPort) -> None:
    session = begun(port)
    said(session, b"MAIL FROM:<sari@kirim.example>\r\nRCPT TO:<support@desk.example>\r\n")
    assert said(session, b"DATA\r\n").startswith("354")
    line = b"x" * 98 + b"\r\n"
    for _ in range(525):
        session.receive(line * 1_000)
        assert session.held_bytes <= MESSAGE_BYTES + len(line) * 1_000
    assert said(session, b".\r\n").startswith("552 5.3.4")
    assert said(session, b"RSET\r\n").startswith("250")
    assert session.ask is None and port.drop.waiting() == []


def test_a_drop_gives_its_mail_back_in_order(tmp_path: Path) -> None:
    drop = MailDrop(tmp_path / "incoming")
    names = [drop.put(DeskMail(at, SUPPORT, "", "", "", b"")) for at in (5, 1_000, 3)]
    assert drop.waiting() == [names[2], names[0], names[1]]
    found = drop.read(names[1])
    assert found is not None and found.received_at == 1_000
    drop.remove(names[1])
    drop.remove(names[1])
    assert len(drop.waiting()) == 2
