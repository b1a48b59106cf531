"""One SMTP connection to the sandbox: a state machine without I/O that plays a provider's host.

Bytes go in by `receive`, which yields what is to be done, in order; each is done before the next is
asked for. It speaks as much of RFC 5321 as senders need, with PIPELINING, SIZE, 8BITMIME, SMTPUTF8
and STARTTLS; how each recipient is treated stands in `behaviour.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from merpati.sandbox.behaviour import Greylist, HangUp, Refuse, Slow, Step, steps
from merpati.sandbox.opinions import Opinions
from merpati.sandbox.seen import Outcome, Try
from merpati.sandbox.texts import Moment
from merpati.sandbox.world import MailHost

LINE_BYTES = 4_096
MESSAGE_BYTES = 50_000_000
RECIPIENTS = 100

_PATH = re.compile(r"(?:FROM|TO): ?<([^<>]*)>(?: .*)?", re.IGNORECASE)
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ")
_END = b"\r\n.\r\n"


@dataclass
class Memory:
    """What hosts remember over connections; seconds are monotonic.

    opinions: what they think of who connects, None: only the recipient's name counts.
    """

    tries: Counter[tuple[str, str]] = field(default_factory=Counter)  # by host and recipient
    first_seen: dict[tuple[str, ...], float] = field(default_factory=dict)  # for greylisting
    opinions: Opinions | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """Send bytes; with a pause after each where `seconds_per_byte` says so."""

    data: bytes
    seconds_per_byte: float = 0.0


@dataclass(frozen=True, slots=True)
class Secure:
    """Negotiate TLS, then `secured`."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Close the connection; at once, or once all is sent."""

    at_once: bool


@dataclass(frozen=True, slots=True)
class Keep:
    """A message came whole; data: unstuffed, for these recipients."""

    data: bytes
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A try ended before its message came whole."""

    seen: Try


Act = Say | Secure | Hang | Keep | Note


@dataclass(frozen=True, slots=True)
class _Recipient:
    address: str
    steps: list[Step]
    number: int  # of this try, from 1

    def is_within(self, times: int | None) -> bool:
        """Return whether this is one of the first so many tries; None: of all."""
        return times is None or self.number <= times


class Dialogue:
    """The host's end. peer: the address that connects."""

    def __init__(self, host: MailHost, peer: str, memory: Memory, offers_starttls: bool) -> None:
        self._host = host
        self._peer = peer
        self._memory = memory
        self._offers_starttls = offers_starttls
        self._is_secure = False
        self._buffer = bytearray()
        self._helo = ""
        self._mail_from: str | None = None
        self._recipients: list[_Recipient] = []
        self._seconds_per_byte = 0.0
        self._is_in_message = False
        self._is_over = False
        self._now = 0.0

    def greet(self) -> Iterator[Act]:
        """Say the banner."""
        yield self._say(f"220 {self._host.name} ESMTP Merpati sandbox")

    def secured(self) -> None:
        """Begin anew over TLS (RFC 3207 4.2)."""
        self._is_secure = True
        self._helo = ""
        self._reset()

    def receive(self, data: bytes, now: float) -> Iterator[Act]:
        """Take bytes from the sender; now: monotonic seconds."""
        self._now = now
        looked = len(self._buffer)
        self._buffer += data
        while not self._is_over:
            if self._is_in_message:
                end = self._buffer.find(_END, max(looked - len(_END), 0))
                yield from self._on_part(end)
                if end < 0:
                    return
            elif (end := self._buffer.find(b"\n")) >= 0:
                line = self._buffer[: end + 1].decode("utf-8", "replace")
                del self._buffer[: end + 1]
                yield from self._on_line(line)
            else:
                if len(self._buffer) > LINE_BYTES:
                    yield from self._end("500 5.5.6 Line too long")
                return
            looked = 0

    # Commands.

    def _on_line(self, line: str) -> Iterator[Act]:
        if not line.endswith("\r\n"):
            yield from self._end("500 5.5.2 Lines must end with CRLF")
            return
        verb, _, argument = line.rstrip("\r\n").partition(" ")
        match verb.upper():
            case "EHLO" | "HELO":
                self._helo = argument
                self._reset()
                yield self._say(
                    self._offers() if verb.upper() == "EHLO" else f"250 {self._host.name}"
                )
            case "STARTTLS" if self._offers_starttls and not self._is_secure:
                self._buffer.clear()  # nothing said before TLS counts after it
                yield self._say("220 2.0.0 Ready to start TLS")
                yield Secure()
            case "MAIL":
                yield self._say(self._on_mail(argument))
            case "RCPT":
                yield from self._on_rcpt(argument)
            case "DATA":
                yield from self._on_data()
            case "RSET":
                self._reset()
                yield self._say("250 2.0.0 Reset")
            case "NOOP":
                yield self._say("250 2.0.0 Ok")
            case "QUIT":
                yield from self._end("221 2.0.0 Bye")
            case _:
                yield self._say("500 5.5.2 Command not recognised")

    def _offers(self) -> str:
        lines = [self._host.name, "PIPELINING", f"SIZE {MESSAGE_BYTES}", "8BITMIME", "SMTPUTF8"]
        lines.append("ENHANCEDSTATUSCODES")
        if self._offers_starttls and not self._is_secure:
            lines.append("STARTTLS")
        return "250 " + "\n".join(lines)

    def _on_mail(self, argument: str) -> str:
        path = _PATH.fullmatch(argument)
        if not self._helo or self._mail_from is not None:
            return "503 5.5.1 Not now"
        if path is None:
            return "501 5.5.4 Syntax: MAIL FROM:<address>"
        self._mail_from = path[1]
        return "250 2.1.0 Sender ok"

    def _on_rcpt(self, argument: str) -> Iterator[Act]:
        path = _PATH.fullmatch(argument)
        if self._mail_from is None:
            yield self._say("503 5.5.1 MAIL first")
            return
        if path is None or not path[1]:
            yield self._say("501 5.5.4 Syntax: RCPT TO:<address>")
            return
        if len(self._recipients) == RECIPIENTS:
            yield self._say("452 4.5.3 Too many recipients")
            return
        recipient = self._met(path[1])
        for step in recipient.steps:
            if isinstance(step, Slow):
                self._seconds_per_byte = step.seconds
        refusal = self._refusal(recipient, Moment.RCPT)
        if refusal:
            yield Note(self._tried(recipient, refusal))
            yield from self._answer(refusal)
        else:
            self._recipients.append(recipient)
            yield self._say("250 2.1.5 Recipient ok")

    def _met(self, address: str) -> _Recipient:
        treatment = steps(address, self._host.texts)
        if not treatment:
            opinions = self._memory.opinions
            return _Recipient(address, opinions.steps(self._peer, address) if opinions else [], 1)
        key = self._host.name, address.lower()
        self._memory.tries[key] += 1
        return _Recipient(address, treatment, self._memory.tries[key])

    def _on_data(self) -> Iterator[Act]:
        if not self._recipients:
            yield self._say("554 5.5.1 No valid recipients")
            return
        if self._hangs_up(Moment.DATA):
            yield from self._drop()
            return
        self._buffer[:0] = b"\r\n"  # a lone dot may be the very first line
        self._is_in_message = True
        yield self._say("354 End with <CRLF>.<CRLF>")

    # The message.

    def _on_part(self, end: int) -> Iterator[Act]:
        """Look at what has come of the message; end: where it ends, -1 when it does not yet."""
        if self._hangs_up(Moment.MESSAGE) and len(self._buffer) > 2:
            yield from self._drop()
        elif len(self._buffer) > MESSAGE_BYTES:
            yield from self._end("552 5.3.4 Message too large")
        elif end >= 0 and self._hangs_up(Moment.DOT):
            yield from self._drop()
        elif end >= 0:
            data = bytes(self._buffer[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
            del self._buffer[: end + len(_END)]
            self._is_in_message = False
            yield from self._on_message(data)

    def _on_message(self, data: bytes) -> Iterator[Act]:
        refusals = [self._refusal(recipient, Moment.DOT) for recipient in self._recipients]
        reply = next(filter(None, refusals), "250 2.0.0 Taken by the sandbox")
        tries = tuple(self._tried(each, reply, len(data)) for each in self._recipients)
        yield Keep(data, tries)
        answers = list(self._answer(reply))  # at the pace of this transaction
        self._reset()
        yield from answers

    # What a recipient's steps come to.

    def _refusal(self, recipient: _Recipient, at: Moment) -> str:
        """Return the reply that refuses a recipient at a moment, or ""."""
        for step in recipient.steps:
            match step:
                case Refuse(moment, reply, times) if moment is at and recipient.is_within(times):
                    return self._filled_in(reply, recipient)
                case Greylist(reply, seconds) if at is Moment.RCPT:
                    triplet = self._host.name, self._peer, self._mail_from or "", recipient.address
                    since = self._memory.first_seen.setdefault(triplet, self._now)
                    if self._now - since < seconds:
                        return self._filled_in(reply, recipient)
        return ""

    def _filled_in(self, reply: str, recipient: _Recipient) -> str:
        return (
            reply.replace("{rcpt}", recipient.address)
            .replace("{ip}", self._peer)
            .replace("{mx}", self._host.name)
        )

    def _hangs_up(self, at: Moment) -> bool:
        return any(
            isinstance(step, HangUp) and step.at is at and recipient.is_within(step.times)
            for recipient in self._recipients
            for step in recipient.steps
        )

    def _drop(self) -> Iterator[Act]:
        for recipient in self._recipients:
            yield Note(self._tried(recipient, ""))
        self._is_over = True
        yield Hang(at_once=True)

    def _tried(self, recipient: _Recipient, reply: str, size_bytes: int = 0) -> Try:
        outcomes = {"2": Outcome.ACCEPTED, "4": Outcome.DEFERRED, "5": Outcome.REFUSED}
        return Try(
            outcome=outcomes.get(reply[:1], Outcome.DROPPED),
            provider=self._host.provider,
            host=self._host.name,
            from_ip=self._peer,
            helo=self._helo,
            is_tls=self._is_secure,
            mail_from=self._mail_from or "",
            rcpt_to=recipient.address,
            reply=reply,
            size_bytes=size_bytes,
        )

    def _reset(self) -> None:
        self._mail_from = None
        self._recipients = []
        self._seconds_per_byte = 0.0

    # Saying.

    def _answer(self, reply: str) -> Iterator[Act]:
        """Give a reply; 421 announces that the connection ends."""
        if reply.startswith("421"):
            yield from self._end(reply)
        else:
            yield self._say(reply)

    def _end(self, reply: str) -> Iterator[Act]:
        self._is_over = True
        yield self._say(reply)
        yield Hang(at_once=False)

    def _say(self, reply: str) -> Say:
        return Say(on_the_wire(reply), self._seconds_per_byte)


@lru_cache(maxsize=1_024)
def on_the_wire(reply: str) -> bytes:
    """Return a reply of one or more lines, each with both its codes (RFC 2034)."""
    code, text = reply[:3], reply[4:]
    enhanced = found[0] if (found := _ENHANCED.match(text)) else ""
    lines = text.removeprefix(enhanced).split("\n")
    last = len(lines) - 1
    parts = (f"{code}{' ' if n == last else '-'}{enhanced}{t}\r\n" for n, t in enumerate(lines))
    return "".join(parts).encode()
