"""One SMTP connection as a client: greeting, then one message after another, then QUIT.

Callbacks only: no task and no timer per message. Replies are matched to the commands they answer
by a queue of stages. With PIPELINING the envelope goes out in one write, and the final dot of one
message together with the envelope of the next; without it step by step.

What a broken connection means for the messages on it: whose final dot was sent but not answered
is `Uncertain`; of whose envelope nothing was answered is `Returned`; the rest defer.

Waits are deadlines, looked at by `check` (called by the engine's sweeper), after RFC 5321 section
4.5.3.2. TLS is begun between two EHLOs; the handshake itself is done by `connecting.py`.
"""

from __future__ import annotations

import asyncio
import enum
import ipaddress
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from merpati.delivery.outcome import (
    Bounced,
    Deferred,
    Ending,
    Reply,
    Returned,
    Stage,
    Uncertain,
    outcome_of,
)
from merpati.delivery.protocol import (
    Capabilities,
    Credentials,
    ProtocolViolation,
    RawReply,
    ReplyReader,
    auth_lines,
    capabilities_of,
    mail_command,
    rcpt_command,
    reply_of,
)
from merpati.providers.bounce_class import BounceClass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Longest waits in seconds: RFC 5321 section 4.5.3.2; those it does not name are ours."""

    connect: float = 30.0
    banner: float = 300.0
    ehlo: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0  # without any progress in sending the message
    dot: float = 600.0
    quit: float = 5.0
    idle: float = 15.0  # an unused connection is kept so long
    tls: float = 60.0  # the handshake


class Outgoing(Protocol):
    """What a session must know of a message.

    chunks: its data, CRLF lines, dot-stuffed, ending in CRLF, without the final dot; is_8bit: it
    holds bytes beyond ASCII.
    """

    msg_from: str
    rcpt_to: str
    chunks: Sequence[bytes]
    size_bytes: int
    is_8bit: bool


class GreetingFailed(Exception):
    """The connection never came so far as to take a message: why, and the reply if one came."""

    def __init__(self, reason: str, reply: Reply | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class TlsFailed(GreetingFailed):
    """TLS is wanted and did not come about; without it the host may well take the message."""


class SessionOwner(Protocol):
    """Who gives a session its messages and hears what became of them. Called on the loop."""

    def next_message(self, session: Session) -> Outgoing | None:
        """Return the message whose MAIL goes out now, or None when there is none just now."""

    def message_ended(self, session: Session, message: Outgoing, ending: Ending) -> None:
        """Learn what an attempt came to; called exactly once for each message taken."""

    def session_idle(self, session: Session) -> None:
        """Learn that nothing is on the connection: `start_next` makes it ask again."""

    def session_closed(self, session: Session, reason: str | None) -> None:
        """Learn that a greeted session is gone; reason: None when we ended it ourselves."""


_DOT = b".\r\n"
_GREETING = (Stage.BANNER, Stage.EHLO, Stage.HELO, Stage.STARTTLS, Stage.AUTH)


class StartTls(enum.Enum):
    """Whether a session begins TLS after its first EHLO."""

    NEVER = enum.auto()
    IF_OFFERED = enum.auto()
    ALWAYS = enum.auto()  # or it takes no message


@dataclass(frozen=True, slots=True)
class Manners:
    """How a session behaves.

    helo: the name said in EHLO; messages_limit: then it says QUIT; provider: who answers.
    """

    helo: str
    timeouts: Timeouts
    messages_limit: int
    provider: str = ""
    starttls: StartTls = StartTls.NEVER
    credentials: Credentials | None = None


class Session(asyncio.Protocol):
    """The client's end of one connection.

    remote: the far end as events show it, "host[address]:port"; elapsed: monotonic seconds.
    tls: protocol and cipher, "" for none. `greeted` is done once messages can be sent or, if
    `awaits_handshake`, once TLS is to begin: then comes `secured`. Or it has GreetingFailed.
    """

    def __init__(
        self,
        owner: SessionOwner,
        remote: str,
        manners: Manners,
        elapsed: Callable[[], float],
    ) -> None:
        timeouts = manners.timeouts
        self.remote = remote
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken = 0  # messages whose MAIL was sent
        self.answered = 0  # messages that the far end accepted or refused
        self.tls = ""
        self.awaits_handshake = False
        self._owner = owner
        self._manners = manners
        self._helo = manners.helo
        self._provider = manners.provider
        self._timeouts = timeouts
        self._elapsed = elapsed
        self._messages_limit = manners.messages_limit
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._capabilities = Capabilities()
        self._expected: deque[Stage] = deque((Stage.BANNER,))
        self._messages: deque[Outgoing] = deque()  # envelope sent, not ended; oldest is current
        self._failure: GreetingFailed | None = None  # why there is no greeting
        self._auth_lines: list[bytes] = []  # still to be said
        self._refusal: tuple[Stage, Reply] | None = None  # of the current message
        self._mail_accepted = False
        self._answers = 0  # replies seen for the current message
        self._dot_sent = False  # for the current message
        self._now = elapsed()  # of the last event, so that one reading serves it whole
        self._deadline = self._now + timeouts.banner
        self._unsent_bytes = 0  # as `check` last saw them
        self._unread = 0  # replies that came along with the present one
        self._closing = False  # nothing more is begun
        self._quitting = False  # because we wanted to, with nothing on the connection
        self._why_lost = ""

    # What the owner may do.

    @property
    def address(self) -> str:
        """Return the far end's IP address."""
        return self.remote[self.remote.rindex("[") + 1 : self.remote.rindex("]")]

    @property
    def is_open(self) -> bool:
        """Return whether further messages may be given to this session."""
        return self._transport is not None and not self._closing

    @property
    def in_flight(self) -> int:
        """Return how many messages are on the connection."""
        return len(self._messages)

    @property
    def transport(self) -> asyncio.Transport | None:
        """Return the connection as it is now, None when it is gone."""
        return self._transport

    def secured(self, transport: asyncio.Transport) -> None:
        """Greet again through TLS; what was said before it counts no more, RFC 3207 section 4.2."""
        self.awaits_handshake = False
        self.greeted = asyncio.get_running_loop().create_future()
        self._capabilities = Capabilities()
        self._now = self._elapsed()
        self._take_transport(transport)
        self._say_ehlo()

    def start_next(self) -> None:
        """Ask the owner for a message and begin it; the session must be idle."""
        if self.is_open and not self._messages and not self._expected:
            self._now = self._elapsed()
            self._begin([])

    def quit(self) -> None:
        """Say QUIT now if idle, or as soon as the messages on the connection have ended."""
        self._messages_limit = self.taken
        if self.is_open and not self._messages and self.greeted.done():
            self._say_quit()
        elif self._transport is not None and not self.greeted.done():
            self._abort("stopped before the greeting")

    def abort(self, reason: str) -> None:
        """Close at once; what was on the connection ends as after a loss."""
        self._abort(reason)

    def check(self, now: float) -> None:
        """Close the connection if its deadline has passed; now: monotonic seconds."""
        if now < self._deadline or self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent_bytes:  # slow, but it moves
            self._unsent_bytes = unsent
            self._deadline = now + (self._timeouts.block if unsent else self._timeouts.dot)
        elif self._expected:
            stage = self._expected[0]
            if stage is Stage.QUIT:
                self._abort("")
            else:
                self._abort(f"timed out waiting for the answer to {_SAID[stage]}")
        else:
            self._say_quit()  # idle for long enough

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the banner."""
        self._take_transport(cast(asyncio.Transport, transport))

    def _take_transport(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self.tls = f"{tls.version()} {tls.cipher()[0]}"

    def data_received(self, data: bytes) -> None:
        """Take replies as they come."""
        self._now = self._elapsed()
        try:
            replies = self._reader.feed(data)
            self._unread = len(replies)
            for raw in replies:
                if self._transport is None:
                    return
                self._unread -= 1
                self._on_reply(raw)
            if self.awaits_handshake:
                self._be_ready_for_handshake()
        except ProtocolViolation as violation:
            self._abort(f"protocol violation: {violation}")

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was on the connection."""
        self._transport = None
        reason = self._why_lost or _words(exc)
        if not self.greeted.done():
            failure = self._failure or GreetingFailed(f"{reason} ({self._where()})")
            self.greeted.set_exception(failure)
            self.greeted.exception()  # looked at, since it may have no reader any more
            return
        if self.awaits_handshake:  # nobody but who does the handshake knows of us
            return
        while self._messages:
            self._end(self._ending_of_loss(reason))
        self._owner.session_closed(self, None if self._quitting else reason)

    # The dialogue.

    def _on_reply(self, raw: RawReply) -> None:
        code = raw[0]
        if not self._expected:
            if self.awaits_handshake:
                raise ProtocolViolation("bytes before the TLS handshake")
            # Unasked: 421 announces that the far end closes; anything else is out of step.
            self._abort(str(reply_of(raw)) if code == 421 else "an answer to nothing we said")
            return
        stage = self._expected.popleft()
        if code == 421 and stage not in (Stage.DOT, Stage.QUIT):
            self._closed_by_421(stage, raw)
            return
        match stage:
            case Stage.DATA:
                self._on_data(raw)
            case Stage.DOT:
                self._on_dot(raw)
            case Stage.MAIL | Stage.RCPT:
                self._on_envelope(stage, raw)
            case Stage.RSET:
                if not self._messages:
                    self._begin([])
            case Stage.QUIT:
                self._abort("")
            case _:
                self._on_greeting(stage, raw)

    def _on_greeting(self, stage: Stage, raw: RawReply) -> None:
        code = raw[0]
        match stage, code // 100:
            case Stage.BANNER, 2:
                self._say_ehlo()
            case Stage.EHLO, 2:
                self._capabilities = capabilities_of(raw[1])
                self._secure_if_wanted()
            case Stage.EHLO, 5:
                self._say(Stage.HELO, f"HELO {self._helo}\r\n".encode(), self._timeouts.ehlo)
            case Stage.HELO, 2:
                self._secure_if_wanted()
            case Stage.STARTTLS, 2:
                self.awaits_handshake = True
            case Stage.AUTH, 2:
                self._be_greeted()
            case Stage.AUTH, 3 if self._auth_lines:
                self._say(Stage.AUTH, self._auth_lines.pop(0), self._timeouts.ehlo)
            case _:
                self._fail_greeting(stage, reply_of(raw))

    def _say_ehlo(self) -> None:
        self._say(Stage.EHLO, f"EHLO {self._helo}\r\n".encode(), self._timeouts.ehlo)

    def _secure_if_wanted(self) -> None:
        wanted = self._manners.starttls
        if self.tls or wanted is StartTls.NEVER:
            self._authenticate_if_wanted()
        elif self._capabilities.starttls:
            self._say(Stage.STARTTLS, b"STARTTLS\r\n", self._timeouts.ehlo)
        elif wanted is StartTls.ALWAYS:
            self._fail(TlsFailed(f"{self.remote} does not offer STARTTLS"))
        else:
            self._authenticate_if_wanted()

    def _be_ready_for_handshake(self) -> None:
        # Whatever follows in the clear was not said under TLS, by whomever: see `_on_reply` too.
        if not self._reader.is_empty:
            raise ProtocolViolation("bytes before the TLS handshake")
        if not self.greeted.done():
            self.greeted.set_result(None)

    def _authenticate_if_wanted(self) -> None:
        credentials = self._manners.credentials
        if credentials is None:
            self._be_greeted()
            return
        if not (self.tls or is_loopback(self.address)):
            self._fail(GreetingFailed(f"{self.remote} is not told the password without TLS"))
            return
        self._auth_lines = auth_lines(credentials, self._capabilities.auth)
        if self._auth_lines:
            self._say(Stage.AUTH, self._auth_lines.pop(0), self._timeouts.ehlo)
        else:
            self._fail(GreetingFailed(f"{self.remote} offers neither AUTH PLAIN nor AUTH LOGIN"))

    def _be_greeted(self) -> None:
        self._deadline = self._now + self._timeouts.idle
        self.greeted.set_result(None)

    def _on_envelope(self, stage: Stage, raw: RawReply) -> None:
        self._answers += 1
        if raw[0] // 100 != 2:
            if self._refusal is None:
                self._refusal = (stage, reply_of(raw))
        elif stage is Stage.MAIL:
            self._mail_accepted = True
        if self._capabilities.pipelining:
            self._deadline = self._now + (
                self._timeouts.rcpt if stage is Stage.MAIL else self._timeouts.data
            )
        elif self._refusal is not None:
            self._end_refused()
        elif stage is Stage.MAIL:
            command = rcpt_command(self._messages[0].rcpt_to)
            self._say(Stage.RCPT, command, self._timeouts.rcpt)
        else:
            self._say(Stage.DATA, b"DATA\r\n", self._timeouts.data)

    def _on_data(self, raw: RawReply) -> None:
        self._answers += 1
        if raw[0] != 354:
            if self._refusal is None:
                self._refusal = (Stage.DATA, reply_of(raw))
            self._end_refused()
        elif self._unread or not self._reader.is_empty:
            # Taken for the answer to the message it would deliver what was never sent.
            raise ProtocolViolation("an answer to the message before the message")
        elif self._refusal is None:
            self._send_message()
        else:
            # Refused and yet 354 (possible only when pipelined): an empty message without a
            # recipient brings both sides back into step, whatever the answer to it is.
            self._expected.append(Stage.RSET)
            self.answered += 1
            self._end(self._refused())
            self._begin([_DOT])

    def _send_message(self) -> None:
        message = self._messages[0]
        self._dot_sent = True
        self._expected.append(Stage.DOT)
        self._begin([*message.chunks, _DOT], follow=self._capabilities.pipelining)
        if self._transport is not None:
            self._unsent_bytes = self._transport.get_write_buffer_size()
            wait = self._timeouts.block if self._unsent_bytes else self._timeouts.dot
            self._deadline = self._now + wait

    def _on_dot(self, raw: RawReply) -> None:
        self.answered += 1
        self._unsent_bytes = 0
        self._end(outcome_of(reply_of(raw), Stage.DOT, self._provider))
        if raw[0] == 421:
            self._abort(str(reply_of(raw)))
        elif self._messages:
            self._deadline = self._now + self._timeouts.mail
        else:
            self._begin([])

    def _begin(self, before: list[bytes], follow: bool = True) -> None:
        """Write `before` and, if there is one, the envelope of the next message, in one go."""
        if self._transport is None or self._closing:
            return
        message = self._next() if follow else None
        if message is not None:
            utf8 = not (message.rcpt_to.isascii() and message.msg_from.isascii())
            size = message.size_bytes
            offers = self._capabilities
            mail = mail_command(message.msg_from, size, offers, utf8, message.is_8bit)
            self._messages.append(message)
            self._expected.append(Stage.MAIL)
            if self._capabilities.pipelining:
                mail += rcpt_command(message.rcpt_to) + b"DATA\r\n"
                self._expected.extend((Stage.RCPT, Stage.DATA))
            before.append(mail)
            self._deadline = self._now + self._timeouts.mail
        if len(before) > 1:
            self._transport.writelines(before)
        elif before:
            self._transport.write(before[0])
        if message is None and not self._messages:
            self._rest()

    def _next(self) -> Outgoing | None:
        """Return the next message that this far end can take; others end here."""
        while self.taken < self._messages_limit:
            message = self._owner.next_message(self)
            if message is None:
                return None
            if (refusal := self._cannot_take(message)) is None:
                self.taken += 1
                return message
            self._owner.message_ended(self, message, refusal)
        return None

    def _cannot_take(self, message: Outgoing) -> Bounced | None:
        is_ascii = message.rcpt_to.isascii() and message.msg_from.isascii()
        if not (is_ascii or self._capabilities.smtputf8):
            text = "[internal] the address needs SMTPUTF8, which the host does not offer"
            return Bounced(BounceClass.GENERIC, Reply(550, "5.6.7", text))
        if message.is_8bit and not self._capabilities.eight_bit:
            # RFC 6152 3: recode or give up. Recoding would change what the sender wrote.
            text = "[internal] the message has 8-bit text, which the host does not take (8BITMIME)"
            return Bounced(BounceClass.GENERIC, Reply(550, "5.6.3", text))
        limit = self._capabilities.size_limit_bytes
        if limit and message.size_bytes > limit:
            text = f"[internal] {message.size_bytes} bytes exceed the host's limit of {limit}"
            return Bounced(BounceClass.TOO_LARGE, Reply(552, "5.3.4", text))
        return None

    def _rest(self) -> None:
        if self._expected:  # the answer to RSET or a lone dot is still to come
            return
        if self.taken >= self._messages_limit:
            self._say_quit()
        else:
            self._deadline = self._now + self._timeouts.idle
            self._owner.session_idle(self)

    # How messages end.

    def _end(self, ending: Ending) -> None:
        message = self._messages.popleft()
        self._refusal = None
        self._mail_accepted = self._dot_sent = False
        self._answers = 0
        self._owner.message_ended(self, message, ending)

    def _refused(self) -> Ending:
        if self._refusal is None:
            return Deferred("[internal] refused without a reply")  # cannot be; doubt defers
        stage, reply = self._refusal
        return outcome_of(reply, stage, self._provider)

    def _end_refused(self) -> None:
        """End the current message after a refusal; an open transaction is reset first."""
        self.answered += 1
        is_open = self._mail_accepted
        self._end(self._refused())
        if not is_open:
            self._begin([])
            return
        self._expected.append(Stage.RSET)
        self._deadline = self._now + self._timeouts.mail
        self._begin([b"RSET\r\n"], follow=self._capabilities.pipelining)

    def _closed_by_421(self, stage: Stage, raw: RawReply) -> None:
        reply = reply_of(raw)
        if stage in _GREETING:
            self._fail_greeting(stage, reply)
            return
        if self._messages and stage is not Stage.RSET:
            if self._refusal is not None:
                # Said before, of this message; a far end that closes takes nothing of it back.
                self.answered += 1
                self._end(self._refused())
            elif stage is Stage.MAIL and self.answered:
                # How a provider says "enough for one connection": nothing was said of the message.
                said = outcome_of(reply, stage, self._provider)
                self._end(Returned(str(reply), reply, getattr(said, "reading", None)))
            else:
                self._end(outcome_of(reply, stage, self._provider))
        self._abort(str(reply))

    def _ending_of_loss(self, reason: str) -> Ending:
        if self._dot_sent:
            return Uncertain(
                f"[internal] {reason} after the message was sent, before its answer"
                f" ({self._where()})"
            )
        if self._refusal is not None:
            return self._refused()
        if self.answered and not self._answers:
            return Returned(reason)
        return Deferred(f"[internal] {reason} ({self._where()})")

    # Ending the connection.

    def _fail_greeting(self, stage: Stage, reply: Reply) -> None:
        words = f"{reply} in answer to {_SAID[stage]} ({self._where()})"
        match stage:
            case Stage.STARTTLS if reply.code != 421:
                self._fail(TlsFailed(words, reply))
            case Stage.AUTH if reply.code != 421:
                # Without the reply: it speaks of us, and is nothing a message could be judged by.
                self._fail(GreetingFailed(f"the user name or password is refused: {words}"))
            case _:
                self._fail(GreetingFailed(words, reply))

    def _fail(self, failure: GreetingFailed) -> None:
        self._failure = failure
        self._abort(failure.reason)

    def _say(self, stage: Stage, command: bytes, timeout: float) -> None:
        if self._transport is not None:
            self._expected.append(stage)
            self._deadline = self._now + timeout
            self._transport.write(command)

    def _say_quit(self) -> None:
        if not self._closing:
            self._now = self._elapsed()
            self._say(Stage.QUIT, b"QUIT\r\n", self._timeouts.quit)
            self._closing = self._quitting = True

    def _abort(self, reason: str) -> None:
        """Close now. What was on the connection ends in `connection_lost`, which follows."""
        if self._transport is None:
            return
        self._why_lost = self._why_lost or reason
        self._closing = True
        transport, self._transport = self._transport, None
        transport.abort()

    def _where(self) -> str:
        return f"with {self.remote}"


_SAID = {
    Stage.BANNER: "connecting",
    Stage.EHLO: "EHLO",
    Stage.HELO: "HELO",
    Stage.MAIL: "MAIL FROM",
    Stage.RCPT: "RCPT TO",
    Stage.DATA: "DATA",
    Stage.DOT: "the message",
    Stage.RSET: "RSET",
    Stage.QUIT: "QUIT",
    Stage.STARTTLS: "STARTTLS",
    Stage.AUTH: "AUTH",
}


def is_loopback(address: str) -> bool:
    """Return whether an address is this host's own, where nobody else listens."""
    return ipaddress.ip_address(address).is_loopback


def _words(exc: Exception | None) -> str:
    if exc is None:
        return "connection closed by the far end"
    return f"connection lost: {exc.strerror if isinstance(exc, OSError) else exc}"
