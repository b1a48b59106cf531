"""The sandbox's mail hosts over real connections, spoken to by smtplib and by hand."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from merpati.runtime.tls import ensure_certificate
from merpati.sandbox.behaviour import DEFERRAL
from merpati.sandbox.dialogue import Dialogue, Hang, Keep, Memory, Note, Say, Secure
from merpati.sandbox.play import Playing, playing
from merpati.sandbox.seen import Outcome, Tally, Try
from merpati.sandbox.texts import all_texts
from merpati.sandbox.world import MailHost, make_world
from merpati.settings import TlsSettings

FIRST = "127.0.0.40"
MESSAGE = "Subject: x\r\n\r\nHalo\r\n.dot\r\n"
T = TypeVar("T")


class Sandbox:
    def __init__(self) -> None:
        self.tries: list[Try] = []
        self.playing: Playing

    def host(self, domain: str = "plain-like.test") -> tuple[str, int]:
        return self.playing.world.domains[domain].address, self.playing.smtp_port

    @contextlib.asynccontextmanager
    async def running(
        self, tls: ssl.SSLContext | None = None, keep: Path | None = None
    ) -> AsyncIterator[Sandbox]:
        async with playing(
            make_world(FIRST), self.tries.append, tls=tls, keep=keep
        ) as self.playing:
            yield self

    async def send(self, recipient: str, source: str = "127.0.0.2") -> tuple[int, str]:
        """Send one message with smtplib; return code and text, (0, "") when it was cut off."""
        return await asyncio.to_thread(self._send, recipient, source)

    def _send(self, recipient: str, source: str) -> tuple[int, str]:
        address, port = self.host(recipient.partition("@")[2])
        try:
            with smtplib.SMTP(address, port, "mta.example", 10, (source, 0)) as client:
                client.sendmail("a@b.example", [recipient], MESSAGE)
                return 250, ""
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = refused.recipients[recipient]
            return code, text.decode()
        except smtplib.SMTPDataError as refused:
            assert isinstance(refused.smtp_error, bytes)
            return refused.smtp_code, refused.smtp_error.decode()
        except smtplib.SMTPServerDisconnected:
            return 0, ""


def kept(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.iterdir()}


async def test_mail_is_taken_and_kept_byte_for_byte(tmp_path: Path) -> None:
    async with Sandbox().running(keep=tmp_path) as it:
        assert await it.send("sari@gmail-like.test") == (250, "")
        (seen,) = it.tries
        assert (seen.outcome, seen.provider, seen.host) == (
            Outcome.ACCEPTED,
            "google",
            "sandbox.google.com",
        )
        assert (seen.from_ip, seen.helo) == ("127.0.0.2", "mta.example")
        assert (seen.mail_from, seen.rcpt_to) == ("a@b.example", "sari@gmail-like.test")
        assert kept(tmp_path) == {seen.file: MESSAGE.encode()}
        assert seen.size_bytes == len(MESSAGE)


async def test_what_an_earlier_sandbox_kept_stays(tmp_path: Path) -> None:
    for _ in range(2):
        async with Sandbox().running(keep=tmp_path) as it:
            await it.send("sari@gmail-like.test")
    assert len(kept(tmp_path)) == 2


async def test_refused_mail_is_not_kept(tmp_path: Path) -> None:
    async with Sandbox().running(keep=tmp_path) as it:
        assert (await it.send("spam@plain-like.test"))[0] == 554
        assert kept(tmp_path) == {}


async def test_a_number_says_how_many_tries_are_refused() -> None:
    async with Sandbox().running() as it:
        codes = [(await it.send("defer-2@plain-like.test"))[0] for _ in range(3)]
        assert codes == [451, 451, 250]
        assert (await it.send("defer-2+other@plain-like.test"))[0] == 451
        assert it.tries[0].reply == DEFERRAL
        outcomes = [seen.outcome for seen in it.tries]
        assert outcomes == ["deferred", "deferred", "accepted", "deferred"]


async def test_a_provider_speaks_its_own_words_of_whom_it_means() -> None:
    async with Sandbox().running() as it:
        code, text = await it.send("block@gmail-like.test", "127.0.0.3")
        assert code == 421
        assert text.startswith("4.7.0 [127.0.0.3] Our system has detected that this message is\n")
        code, text = await it.send("reject@plain-like.test")
        assert (code, text.split(":")[0]) == (550, "5.1.1 <reject@plain-like.test>")


@pytest.mark.parametrize("name", ["drop", "drop-message", "drop-dot"])
async def test_a_connection_is_dropped_without_a_word(name: str) -> None:
    async with Sandbox().running() as it:
        assert await it.send(f"{name}-1@plain-like.test") == (0, "")
        assert [seen.outcome for seen in it.tries] == [Outcome.DROPPED]
        assert await it.send(f"{name}-1@plain-like.test") == (250, "")


async def test_starttls_is_offered_with_a_certificate_that_holds_the_hosts_names(
    tmp_path: Path,
) -> None:
    names = [host.name for host in make_world(FIRST).hosts]
    made = ensure_certificate(tmp_path, TlsSettings(), names, datetime.now(UTC))
    async with Sandbox().running(tls=made.context()) as it:

        def secured() -> None:
            with smtplib.SMTP(*it.host("gmail-like.test"), "mta.example", 10) as client:
                client._host = "sandbox.google.com"  # type: ignore[attr-defined]  # the name to verify
                context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
                assert client.starttls(context=context)[0] == 220
                client.sendmail("a@b.example", ["sari@gmail-like.test"], MESSAGE)

        await asyncio.to_thread(secured)
        assert [seen.is_tls for seen in it.tries] == [True]


# What takes time, without waiting: the machine itself is told the time.


def dialogue(memory: Memory, peer: str = "127.0.0.2", starttls: bool = False) -> Dialogue:
    host = MailHost("mx.test", "127.0.0.20", "everybody", all_texts()["everybody"])
    return Dialogue(host, peer, memory, starttls)


def said(talk: Dialogue, text: str, now: float = 0.0) -> list[str]:
    """Return what the machine says or does about some lines."""
    words = []
    for act in talk.receive(text.encode(), now):
        match act:
            case Say(data):
                words.append(data.decode().rstrip())
            case Hang(at_once):
                words.append("aborts" if at_once else "closes")
            case Secure():
                words.append("secures")
                talk.secured()
            case Keep() | Note():
                pass
    return words


def envelope(recipient: str) -> str:
    return f"EHLO a.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{recipient}>\r\n"


@pytest.mark.parametrize(
    ("now", "peer", "code"),
    [(59.0, "127.0.0.2", "450"), (60.0, "127.0.0.2", "250"), (60.0, "127.0.0.3", "450")],
)
def test_greylisting_knows_ip_sender_and_recipient(now: float, peer: str, code: str) -> None:
    memory, lines = Memory(), envelope("greylist@x.test")
    assert said(dialogue(memory), lines)[-1].startswith("450 4.2.0")
    assert said(dialogue(memory, peer), lines, now)[-1].startswith(code)


def test_slow_gives_each_reply_byte_by_byte_and_the_next_message_is_fast() -> None:
    talk = dialogue(Memory())
    paces = [
        act.seconds_per_byte
        for act in talk.receive((envelope("slow-7@x.test") + "DATA\r\n").encode(), 0)
        if isinstance(act, Say)
    ]
    assert paces == [0, 0, 7, 7]
    paces = [
        act.seconds_per_byte
        for act in talk.receive(b"x\r\n.\r\nNOOP\r\n", 0)
        if isinstance(act, Say)
    ]
    assert paces == [7, 0]


def test_pipelined_commands_are_answered_in_order() -> None:
    words = said(dialogue(Memory()), envelope("a@x.test") + "DATA\r\n.\r\nRSET\r\nQUIT\r\n")
    assert [word[:3] for word in words[1:]] == ["250", "250", "354", "250", "250", "221", "clo"]


def test_what_was_said_before_tls_does_not_count_after_it() -> None:
    talk = dialogue(Memory(), starttls=True)
    words = said(talk, "EHLO a.example\r\nSTARTTLS\r\nMAIL FROM:<x@x.test>\r\n")
    assert words[1:] == ["220 2.0.0 Ready to start TLS", "secures"]
    assert said(talk, "MAIL FROM:<a@b.example>\r\n") == ["503 5.5.1 Not now"]
    assert "STARTTLS" not in said(talk, "EHLO a.example\r\n")[0]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("NOOP\n", "500"),
        ("WHAT\r\n", "500"),
        ("MAIL FROM:<a@b.example>\r\n", "503"),
        ("EHLO a\r\nMAIL a@b.example\r\n", "501"),
        ("EHLO a\r\nRCPT TO:<a@b.example>\r\n", "503"),
        ("EHLO a\r\nMAIL FROM:<>\r\nDATA\r\n", "554"),
        ("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\n", "501"),
        ("x" * 5_000, "500"),
    ],
)
def test_what_is_wrong_is_refused(lines: str, code: str) -> None:
    answers = [word for word in said(dialogue(Memory()), lines) if word[0].isdigit()]
    assert answers[-1][:3] == code


def test_the_tally_sums_by_provider_and_remembers_the_newest() -> None:
    tally = Tally()
    seen = [
        Try(
            outcome=outcome,
            provider="google",
            host="",
            from_ip="",
            helo="",
            is_tls=False,
            mail_from="",
            rcpt_to=str(n),
            reply="",
            size_bytes=5,
        )
        for n, outcome in enumerate([Outcome.ACCEPTED, Outcome.REFUSED, Outcome.ACCEPTED])
    ]
    for each in seen:
        tally.add(each, remembered=2)
    assert tally.counts["google", Outcome.ACCEPTED] == 2
    assert [each.rcpt_to for each in tally.last] == ["2", "1"]
    assert tally.size_bytes == 15
