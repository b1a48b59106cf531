"""The SMTP client against scripted dialogues: every way a connection can go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from merpati.delivery.outcome import (
    Bounced,
    Deferred,
    Delivered,
    Ending,
    Reply,
    Returned,
    Uncertain,
)
from merpati.delivery.session import GreetingFailed, Manners, Session, Timeouts
from merpati.providers.bounce_class import BounceClass
from merpati.providers.replies import prepare
from tests.support.smtp_sink import CLOSE, Connection, SmtpSink

BODY = b"Subject: hello\r\n\r\nhello\r\n"


@dataclass
class Mail:
    rcpt_to: str
    msg_from: str = "bounce@kirim.example"
    chunks: tuple[bytes, ...] = (BODY,)
    is_8bit: bool = False

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.chunks))


@dataclass
class Owner:
    """Hands out the mail it is given, and remembers what became of it."""

    mail: list[Mail]
    endings: dict[str, Ending] = field(default_factory=dict)
    closed: list[str | None] = field(default_factory=list)
    is_idle: bool = False

    def next_message(self, session: Session) -> Mail | None:
        self.is_idle = False
        return self.mail.pop(0) if self.mail else None

    def message_ended(self, session: Session, message: Mail, ending: Ending) -> None:
        assert message.rcpt_to not in self.endings
        self.endings[message.rcpt_to] = ending

    def session_idle(self, session: Session) -> None:
        self.is_idle = True

    def session_closed(self, session: Session, reason: str | None) -> None:
        self.closed.append(reason)


SHORT = Timeouts(*[0.3] * 11)
prepare()  # compiling the rules takes longer than these


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)


async def send(
    sink: SmtpSink,
    *recipients: str,
    limit: int = 100,
    timeouts: Timeouts = SHORT,
    mail: list[Mail] | None = None,
) -> tuple[Owner, Session]:
    """Send messages on one connection until all have ended."""
    owner = Owner(mail if mail is not None else [Mail(recipient) for recipient in recipients])
    wanted = len(owner.mail)
    _, session = await asyncio.get_running_loop().create_connection(
        lambda: Session(
            owner,
            f"[127.0.0.1]:{sink.port}",
            Manners("mta-1.kirim.example", timeouts, limit),
            time.monotonic,
        ),
        "127.0.0.1",
        sink.port,
    )
    sweeper = asyncio.create_task(_sweep(session))
    try:
        await session.greeted
        session.start_next()
        await until(lambda: len(owner.endings) == wanted or owner.closed)
    finally:
        sweeper.cancel()
    return owner, session


async def _sweep(session: Session) -> None:
    while True:
        await asyncio.sleep(0.02)
        session.check(time.monotonic())


async def test_messages_share_a_connection() -> None:
    async with SmtpSink().running() as sink:
        owner, _ = await send(sink, "a@x.example", "b@x.example", "c@x.example")
    assert all(isinstance(ending, Delivered) for ending in owner.endings.values())
    assert owner.endings["a@x.example"] == Delivered(Reply(250, "2.0.0", "queued as 0"))
    assert [received.rcpt for received in sink.received] == [f"{u}@x.example" for u in "abc"]
    assert {received.data for received in sink.received} == {BODY}
    assert len(sink.connections) == 1
    assert sink.connections[0].helo == "mta-1.kirim.example"


async def test_dot_and_next_envelope_go_out_together_when_pipelining_is_offered() -> None:
    """A server that answers the dot only after it has read the next MAIL still gets it."""

    async def converse(c: Connection) -> None:
        await c.say("220 hello")
        await c.line()
        await c.say("250-sink\r\n250 PIPELINING")
        for verb in ("MAIL", "RCPT", "DATA"):
            assert (await c.line()).startswith(verb)
        await c.say("250 ok\r\n250 ok\r\n354 go")
        while await c.line() != ".":
            pass
        assert (await c.line()).startswith("MAIL FROM")  # before the dot is answered
        await c.line()
        await c.line()
        await c.say("250 first\r\n250 ok\r\n250 ok\r\n354 go")
        while await c.line() != ".":
            pass
        await c.say("250 second")
        await c.line()

    sink = SmtpSink()
    sink.converse = converse
    async with sink.running():
        owner, _ = await send(sink, "a@x.example", "b@x.example")
    assert owner.endings == {
        "a@x.example": Delivered(Reply(250, None, "first")),
        "b@x.example": Delivered(Reply(250, None, "second")),
    }


@pytest.mark.parametrize("offers", [["PIPELINING", "SIZE"], ["SIZE 1000000"], []])
async def test_without_pipelining_it_goes_step_by_step(offers: list[str]) -> None:
    sink = SmtpSink()
    sink.offers = offers
    sink.on_rcpt = lambda c, line: "550 5.1.1 no such user" if "bad" in line else "250 ok"
    async with sink.running():
        owner, _ = await send(sink, "a@x.example", "bad@x.example", "c@x.example")
    assert isinstance(owner.endings["a@x.example"], Delivered)
    assert isinstance(owner.endings["bad@x.example"], Bounced)
    assert isinstance(owner.endings["c@x.example"], Delivered)
    has_size = any(" SIZE=" in line for line in sink.connections[0].lines)
    assert has_size == any(offer.startswith("SIZE") for offer in offers)


async def test_a_server_without_ehlo_gets_helo() -> None:
    sink = SmtpSink()
    sink.on_ehlo = lambda c, line: "502 5.5.1 not implemented"
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
    assert isinstance(owner.endings["a@x.example"], Delivered)
    assert sink.connections[0].lines[1] == "HELO mta-1.kirim.example"


REFUSALS = [
    pytest.param("550 5.1.1 no such user", Bounced, BounceClass.INVALID_RECIPIENT, id="unknown"),
    pytest.param("550 no such user here", Bounced, BounceClass.INVALID_RECIPIENT, id="by text"),
    pytest.param("550 go away", Bounced, BounceClass.GENERIC, id="bare 550"),
    pytest.param("552 5.2.2 full", Bounced, BounceClass.MAILBOX_FULL, id="full"),
    pytest.param("450 4.2.1 greylisted", Deferred, None, id="greylisted"),
    pytest.param("354 what", Deferred, None, id="unexpected code"),
]


@pytest.mark.parametrize(("answer", "kind", "bounce_class"), REFUSALS)
async def test_a_refused_recipient_does_not_harm_the_next(
    answer: str, kind: type, bounce_class: BounceClass | None
) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: answer if "bad" in line else "250 ok"
    async with sink.running():
        owner, _ = await send(sink, "bad@x.example", "good@x.example")
    bad = owner.endings["bad@x.example"]
    assert isinstance(bad, kind)
    if isinstance(bad, Bounced):
        assert bad.bounce_class is bounce_class
    assert isinstance(owner.endings["good@x.example"], Delivered)
    assert [received.rcpt for received in sink.received] == ["good@x.example"]


async def test_354_after_a_refused_recipient_gets_a_lone_dot() -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "550 5.1.1 no" if "bad" in line else "250 ok"
    sink.on_data = lambda c, line: "354 go on anyway"
    async with sink.running():
        owner, _ = await send(sink, "bad@x.example", "good@x.example", "bad2@x.example")
    assert isinstance(owner.endings["bad@x.example"], Bounced)
    assert isinstance(owner.endings["bad2@x.example"], Bounced)
    assert isinstance(owner.endings["good@x.example"], Delivered)
    assert [received.rcpt for received in sink.received] == ["good@x.example"]


@pytest.mark.parametrize("answer", ["550 5.7.1 your IP is bad", "451 later", "250-x\r\n550 mixed"])
async def test_a_refused_sender_never_bounces_the_recipient(answer: str) -> None:
    sink = SmtpSink()
    sink.on_mail = lambda c, line: answer
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
    assert isinstance(owner.endings["a@x.example"], Deferred)


async def test_the_dot_decides() -> None:
    sink = SmtpSink()
    answers = {"spam@x.example": "554 5.7.1 spam", "later@x.example": "451 4.3.0 later"}
    sink.on_dot = lambda c, rcpt: answers.get(rcpt, "250 ok")
    async with sink.running():
        owner, _ = await send(sink, "spam@x.example", "later@x.example", "a@x.example")
    spam, later = owner.endings["spam@x.example"], owner.endings["later@x.example"]
    assert isinstance(spam, Bounced)
    assert (spam.bounce_class, spam.reply) == (
        BounceClass.MAIL_BLOCK,
        Reply(554, "5.7.1", "spam"),
    )
    assert isinstance(later, Deferred)
    assert (later.reason, later.reply) == ("451 4.3.0 later", Reply(451, "4.3.0", "later"))
    assert isinstance(owner.endings["a@x.example"], Delivered)


async def test_multi_line_replies_are_joined() -> None:
    sink = SmtpSink()
    sink.on_dot = lambda c, rcpt: "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three"
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
    ending = owner.endings["a@x.example"]
    assert isinstance(ending, Bounced)
    assert ending.reply == Reply(550, "5.7.1", "one\ntwo\nthree")


GARBAGE = [
    pytest.param(b"hello there\r\n", id="no code"),
    pytest.param(b"250 ok\n", id="bare LF"),
    pytest.param(b"250 o\rk\r\n", id="bare CR"),
    pytest.param(b"250 o\0k\r\n", id="NUL"),
    pytest.param(b"250-a\r\n251 b\r\n", id="changing codes"),
    pytest.param(b"250 " + b"x" * 5_000 + b"\r\n", id="long line"),
    pytest.param(b"250-" + b"x" * 1_000 + b"\r\n", id="many lines"),
    pytest.param(b"099 ok\r\n", id="code out of range"),
    pytest.param(b"250_ok\r\n", id="no separator"),
    pytest.param(b"\xff\xfe\r\n", id="binary"),
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_instead_of_an_answer_never_bounces(garbage: bytes) -> None:
    async def converse(c: Connection) -> None:
        await c.say("220 hello")
        await c.line()
        await c.say("250 sink")
        await c.line()
        c.writer.write(garbage * (100 if garbage.startswith(b"250-x") else 1))
        await c.reader.read()

    sink = SmtpSink()
    sink.converse = converse
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
    assert isinstance(owner.endings["a@x.example"], Deferred)
    assert "protocol violation" in str(owner.endings["a@x.example"])


async def test_lost_after_the_dot_is_uncertain_and_the_next_is_returned() -> None:
    async def converse(c: Connection) -> None:
        await c.say("220 hello")
        await c.line()
        await c.say("250-sink\r\n250 PIPELINING")
        for _ in range(2):
            for _ in range(3):
                await c.line()
            await c.say("250 ok\r\n250 ok\r\n354 go")
            while await c.line() != ".":
                pass
            if not c.messages:
                await c.say("250 taken")
            c.messages += 1
        await c.line()  # the envelope of the third is there

    sink = SmtpSink()
    sink.converse = converse
    async with sink.running():
        owner, _ = await send(sink, "a@x.example", "b@x.example", "c@x.example", "d@x.example")
    assert isinstance(owner.endings["a@x.example"], Delivered)
    assert isinstance(owner.endings["b@x.example"], Uncertain)
    assert isinstance(owner.endings["c@x.example"], Returned)
    assert "d@x.example" not in owner.endings
    assert owner.closed[0]


async def test_lost_before_the_dot_defers() -> None:
    sink = SmtpSink()
    sink.on_data = lambda c, line: CLOSE
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
    assert isinstance(owner.endings["a@x.example"], Deferred)


@pytest.mark.parametrize("where", ["on_mail", "on_rcpt", "on_data", "on_dot"])
async def test_421_defers_and_closes(where: str) -> None:
    sink = SmtpSink()
    setattr(sink, where, lambda c, line: "421 4.7.0 too fast")
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
        await until(lambda: owner.closed)
    ending = owner.endings["a@x.example"]
    assert isinstance(ending, Deferred)
    assert (ending.reason, ending.reply) == (
        "421 4.7.0 too fast",
        Reply(421, "4.7.0", "too fast"),
    )
    assert ending.reading is not None
    assert ending.reading.cause == "rate"
    assert owner.closed[0] is not None
    assert "421" in owner.closed[0]


async def test_421_to_data_does_not_take_a_refused_recipient_back() -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "550 5.1.1 no such user"
    sink.on_data = lambda c, line: "421 4.7.0 too many unknown users"
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
        await until(lambda: owner.closed)
    ending = owner.endings["a@x.example"]
    assert isinstance(ending, Bounced)
    assert ending.reply == Reply(550, "5.1.1", "no such user")
    assert "421" in str(owner.closed[0])


async def test_421_for_the_next_message_gives_it_back_without_an_attempt() -> None:
    """How providers end a connection after so many messages."""
    sink = SmtpSink()
    sink.on_mail = lambda c, line: "421 4.7.0 enough" if c.messages else "250 ok"
    async with sink.running():
        owner, _ = await send(sink, "a@x.example", "b@x.example")
        await until(lambda: owner.closed)
    assert isinstance(owner.endings["a@x.example"], Delivered)
    assert isinstance(owner.endings["b@x.example"], Returned)


@pytest.mark.parametrize("banner", ["421 busy", "554 5.7.1 go away", CLOSE, "garbage"])
async def test_a_refused_greeting_fails_before_any_message(banner: str) -> None:
    sink = SmtpSink()
    sink.banner = lambda c, line: banner
    async with sink.running():
        with pytest.raises(GreetingFailed) as failure:
            await send(sink, "a@x.example")
    assert str(sink.port) in failure.value.reason


SILENT = ["banner", "on_ehlo", "on_mail", "on_rcpt", "on_data", "on_dot"]


@pytest.mark.parametrize("where", SILENT)
async def test_every_wait_ends(where: str) -> None:
    sink = SmtpSink()
    original = getattr(sink, where)
    setattr(sink, where, lambda c, line: "")
    say = Connection.say

    async def say_or_be_silent(self: Connection, text: str) -> None:
        if text:
            await say(self, text)
        else:
            await asyncio.sleep(30)

    Connection.say = say_or_be_silent  # type: ignore[method-assign]
    try:
        async with sink.running():
            if where in ("banner", "on_ehlo"):
                with pytest.raises(GreetingFailed, match="timed out"):
                    await send(sink, "a@x.example")
            else:
                owner, _ = await send(sink, "a@x.example")
                kind = Uncertain if where == "on_dot" else Deferred
                assert isinstance(owner.endings["a@x.example"], kind)
                assert "timed out" in str(owner.endings["a@x.example"])
    finally:
        Connection.say = say  # type: ignore[method-assign]
    assert original is not None


async def test_after_its_limit_a_connection_says_quit() -> None:
    async with SmtpSink().running() as sink:
        owner, _ = await send(sink, "a@x.example", "b@x.example", "c@x.example", limit=2)
        await until(lambda: owner.closed)
    assert sorted(owner.endings) == ["a@x.example", "b@x.example"]
    assert owner.closed == [None]
    assert sink.connections[0].lines[-1] == "QUIT"


async def test_an_idle_connection_is_used_again_and_then_quit() -> None:
    async with SmtpSink().running() as sink:
        owner, session = await send(sink, "a@x.example")
        await until(lambda: owner.is_idle)
        owner.mail.append(Mail("b@x.example"))
        session.start_next()
        await until(lambda: "b@x.example" in owner.endings and owner.is_idle)
        session.check(time.monotonic() + 1000)
        await until(lambda: owner.closed)
    assert owner.closed == [None]
    assert len(sink.connections) == 1


async def test_non_ascii_addresses_need_smtputf8() -> None:
    sink = SmtpSink()
    async with sink.running():
        owner, _ = await send(sink, "grün@x.example", "a@x.example")
    refused = owner.endings["grün@x.example"]
    assert isinstance(refused, Bounced)
    assert refused.reply.enhanced == "5.6.7"
    assert isinstance(owner.endings["a@x.example"], Delivered)
    sink = SmtpSink()
    sink.offers.append("SMTPUTF8")
    async with sink.running():
        owner, _ = await send(sink, "grün@x.example")
    assert isinstance(owner.endings["grün@x.example"], Delivered)
    assert sink.received[0].rcpt == "grün@x.example"
    assert "SMTPUTF8" in " ".join(sink.connections[0].lines)


async def test_a_message_above_the_offered_size_is_not_sent() -> None:
    sink = SmtpSink()
    sink.offers = ["SIZE 10", "PIPELINING"]
    async with sink.running():
        owner, _ = await send(sink, "a@x.example")
    refused = owner.endings["a@x.example"]
    assert isinstance(refused, Bounced)
    assert refused.bounce_class is BounceClass.TOO_LARGE


@pytest.mark.parametrize("is_offered", [True, False])
async def test_a_body_of_8_bits_goes_only_where_it_is_taken(is_offered: bool) -> None:
    """RFC 6152."""
    sink = SmtpSink()
    sink.offers = ["PIPELINING", *["8BITMIME"][: int(is_offered)]]
    async with sink.running():
        owner, _ = await send(sink, mail=[Mail("a@x.example", is_8bit=True), Mail("b@x.example")])
    assert isinstance(owner.endings["a@x.example"], Delivered if is_offered else Bounced)
    assert isinstance(owner.endings["b@x.example"], Delivered)
    said = [line for line in sink.connections[0].lines if line.startswith("MAIL")]
    assert [line.endswith(" BODY=8BITMIME") for line in said] == [True, False][1 - is_offered :]


async def test_a_slow_reader_is_not_timed_out_while_it_reads() -> None:
    sink = SmtpSink()
    dialogue = sink.dialogue

    async def slow(c: Connection) -> None:
        readline = c.reader.readline
        read = 0

        async def slowly() -> bytes:
            nonlocal read
            line = await readline()
            read += len(line)
            if read > 500_000:
                read = 0
                await asyncio.sleep(0.05)
            return line

        c.reader.readline = slowly  # type: ignore[method-assign]
        await dialogue(c)

    sink.converse = slow
    line = b"x" * 998 + b"\r\n"
    size = 10_000_000  # more than the buffers between us hold
    mail = [Mail("big@x.example", chunks=(line * (size // len(line)),))]
    timeouts = Timeouts(block=0.3, dot=5.0)
    async with sink.running(limit=65_536):
        owner, _ = await send(sink, mail=mail, timeouts=timeouts)
    assert isinstance(owner.endings["big@x.example"], Delivered)
    assert len(sink.received[0].data) == size
