"""One SMTP session as a server: a state machine that does no I/O.

Bytes go in by `receive`; what to send gathers in `out`. Where the session needs the world (a
password checked, a message stored, TLS) it sets `ask` and stands still until the matching
`answer_...` or `secured` is called: commands that were pipelined behind wait in its buffer. Both
doors use it: submission, which demands AUTH, and inbound, which is picky about recipients.

Source: RFC 5321, 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 4954 (AUTH), 2034 (enhanced
codes); test cases S1 to S11, R1, R5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from merpati.smtp import commands
from merpati.smtp.commands import Chunk, CommandRefused
from merpati.smtp.message_data import DataReader, fault_of

if TYPE_CHECKING:
    from merpati.accounts.keys import KeyIdentity

MESSAGE_BYTES = 20 * 1024 * 1024  # sparkpost-api 24
LINE_BYTES = 4_096  # of a command; RFC 5321 4.5.3.1.4 asks for 512, AUTH needs more
ERRORS = 10  # since the last message, then the connection ends
COMMANDS = 100  # that bring no message nearer, since the last one
WRONG_PASSWORDS = 3

_NOT_IN_HELO = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
# Nobody who speaks SMTP says these: a web page that posts to us, or a forged proxy (R5).
_FOREIGN = frozenset(
    {"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "PROXY", "XCLIENT", "XFORWARD"}
)


@dataclass(frozen=True, slots=True)
class Door:
    """What one port offers and demands.

    recipient: judges an address at RCPT; returns the refusal, or None when it is accepted.
    recipients: the most of one message; a client is to send the message again for others (452).
    """

    hostname: str
    needs_auth: bool
    offers_starttls: bool
    recipient: Callable[[str], str | None]
    limit_bytes: int = MESSAGE_BYTES
    recipients: int = 1_000  # RFC 5321 4.5.3.1.8 asks for 100 at least


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that came in whole. data: unstuffed, CRLF lines only, ends in CRLF.

    protocol: as Received names it (RFC 3848), `ESMTPSA`; helo: made safe for a header; identity:
    None at a door without AUTH.
    """

    msg_from: str
    recipients: tuple[str, ...]
    data: bytes
    helo: str
    protocol: str
    identity: KeyIdentity | None


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check a password; then `answer_authentication`."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TakeMessage:
    """Store a message; then `answer_message`."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class StartTls:
    """Send `out`, negotiate TLS, then `secured`. Input until then is dropped."""


Ask = Authenticate | TakeMessage | StartTls


class Session:
    """The dialogue with one client."""

    def __init__(self, door: Door, is_secure: bool) -> None:
        self.out = bytearray()
        self.ask: Ask | None = None
        self.is_closing = False  # once `out` is sent, hang up
        self._door = door
        self._is_secure = is_secure
        self._identity: KeyIdentity | None = None
        self._in = bytearray()
        self._is_skipping = False  # the rest of a line that is too long
        self._helo = ""
        self._is_extended = False
        self._has_authenticated = False
        self._errors = 0
        self._commands = 0
        self._wrong_passwords = 0
        self._continuation: Callable[[str], None] | None = None  # of AUTH
        self._reader: DataReader | None = None
        self._chunk: _Swallowed | None = None
        self._msg_from: str | None = None
        self._recipients: list[str] = []
        self._chunks = bytearray()
        self._has_chunks = False
        self._is_broken = False  # a BDAT failed: nothing more of this transaction is taken

    @property
    def held_bytes(self) -> int:
        """Return how much of messages it holds in memory."""
        if isinstance(self.ask, TakeMessage):
            return len(self.ask.envelope.data)
        held = len(self._in) + len(self._chunks)
        return held + (self._reader.held_bytes if self._reader else 0)

    def greet(self, trusted: KeyIdentity | None = None) -> None:
        """Say the banner; trusted: who the client is known to be without a password."""
        self._identity = trusted
        self._say(f"220 {self._door.hostname} ESMTP")

    def end(self, reply: str) -> None:
        """Say a last line (421) and hang up."""
        if not self.is_closing:
            self._say(reply)
            self.is_closing = True

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self.is_closing or isinstance(self.ask, StartTls):
            return
        self._in += data
        self._proceed()

    def drop_message(self) -> None:
        """Keep no more of the message that is coming in: memory is short (452 at its end)."""
        if self._reader is not None:
            self._reader.drop()
        elif self._chunk is not None and self._chunk.refusal is None:
            self._chunk.refusal = _NO_MEMORY
            self._chunks.clear()

    def answer_authentication(self, identity: KeyIdentity | None, refusal: str = "") -> None:
        """Let the client in, or refuse it with a reply; a 421 also ends the session."""
        self.ask = None
        if identity is not None:
            self._identity = identity
            self._has_authenticated = True
            self._say("235 2.7.0 Authentication successful")
        elif refusal.startswith("421"):
            self.end(refusal)
        else:
            self._wrong_passwords += 1
            self._say(refusal)
            if self._wrong_passwords >= WRONG_PASSWORDS:
                self.end(f"421 4.7.0 {self._door.hostname} Too many wrong passwords")
        self._proceed()

    def answer_message(self, reply: str) -> None:
        """Say what became of the message; a 421 also ends the session."""
        self.ask = None
        self._forget_transaction()
        if reply.startswith("421"):
            self.end(reply)
        else:
            self._say(reply)
        if reply.startswith("2"):
            self._errors = self._commands = 0
        self._proceed()

    def secured(self) -> None:
        """Begin anew over TLS: all that was said before it is forgotten (RFC 3207 4.2)."""
        self.ask = None
        self._is_secure = True
        self._in.clear()
        self._helo = ""
        self._forget_transaction()

    # Reading.

    def _proceed(self) -> None:
        while self._in and self.ask is None and not self.is_closing:
            if self._reader is not None:
                self._read_data(self._reader)
            elif self._chunk is not None:
                self._read_chunk(self._chunk)
            elif not self._read_line():
                return

    def _read_line(self) -> bool:
        """Run one command; return False when its line is not complete yet."""
        end = self._in.find(b"\n")
        if end < 0:
            self._is_skipping |= len(self._in) > LINE_BYTES
            if self._is_skipping:
                self._in.clear()
            return False
        line = bytes(self._in[: end + 1])
        del self._in[: end + 1]
        is_too_long, self._is_skipping = self._is_skipping or len(line) > LINE_BYTES, False
        if is_too_long:
            self._fail("500 5.5.6 Line too long")
            return True
        try:
            self._on_line(line)
        except CommandRefused as refused:
            self._fail(refused.reply)
        return True

    def _read_data(self, reader: DataReader) -> None:
        data = bytes(self._in)
        self._in.clear()
        rest = reader.feed(data)
        if rest is None:
            return
        self._in += rest
        self._reader = None
        if reader.is_dropped:
            self._refuse_message(_NO_MEMORY)
        elif reader.is_too_large:
            self._refuse_message(self._too_large())
        else:
            self._take(reader.message())

    def _read_chunk(self, chunk: _Swallowed) -> None:
        part = bytes(self._in[: chunk.left_bytes])
        del self._in[: len(part)]
        chunk.left_bytes -= len(part)
        if chunk.refusal is None:
            self._chunks += part
        if chunk.left_bytes == 0:
            self._end_chunk(chunk)

    # Commands.

    def _on_line(self, line: bytes) -> None:
        if self._continuation is not None:
            proceed, self._continuation = self._continuation, None
            text = line.rstrip(b"\r\n").decode("ascii", "replace")
            if text == "*":
                raise CommandRefused("501 5.7.0 Authentication cancelled")
            proceed(text)
            return
        verb, argument = commands.read_line(line)
        if verb in _FOREIGN:
            self.end("554 5.5.0 This is SMTP, and no proxy is expected here")
            return
        handler = _HANDLERS.get(verb)
        if handler is None:
            raise CommandRefused("500 5.5.2 Command not recognised")
        if verb not in {"RCPT", "DATA", "BDAT", "QUIT"}:
            self._commands += 1
            if self._commands > COMMANDS:
                self.end(f"421 4.7.0 {self._door.hostname} Too many commands without a message")
                return
        handler(self, argument)

    def _on_ehlo(self, argument: str) -> None:
        self._hello(argument, is_extended=True)
        self._say(_offers(self._door, self._is_secure))

    def _on_helo(self, argument: str) -> None:
        self._hello(argument, is_extended=False)
        self._say(f"250 {self._door.hostname}")

    def _hello(self, argument: str, is_extended: bool) -> None:
        if not argument:
            raise CommandRefused("501 5.5.4 Say which host you are")
        self._helo = _NOT_IN_HELO.sub("?", argument)[:255]
        self._is_extended = is_extended
        self._forget_transaction()

    def _on_starttls(self, argument: str) -> None:
        if argument:
            raise CommandRefused("501 5.5.4 STARTTLS takes no parameters")
        if self._is_secure:
            raise CommandRefused("503 5.5.1 TLS is active already")
        if not self._door.offers_starttls:
            raise CommandRefused("502 5.5.1 STARTTLS is not offered")
        self._in.clear()  # an attacker on the way may have put commands there (CVE-2011-0411)
        self._say("220 2.0.0 Ready to start TLS")
        self.ask = StartTls()

    def _on_auth(self, argument: str) -> None:
        if not self._door.needs_auth:
            raise CommandRefused("502 5.5.1 AUTH is not offered")
        if not self._is_secure:
            raise CommandRefused("538 5.7.11 Say STARTTLS first: passwords travel encrypted only")
        if not self._helo:
            raise CommandRefused("503 5.5.1 EHLO first")
        if self._has_authenticated or self._msg_from is not None:
            raise CommandRefused("503 5.5.1 AUTH is not allowed now")
        mechanism, _, initial = argument.partition(" ")
        initial = initial.strip()
        match mechanism.upper():
            case "PLAIN":
                self._challenge("", self._plain, initial)
            case "LOGIN":
                self._challenge("VXNlcm5hbWU6", self._login_user, initial)
            case _:
                raise CommandRefused("504 5.5.4 Only PLAIN and LOGIN are offered")

    def _challenge(self, text: str, proceed: Callable[[str], None], initial: str = "") -> None:
        if initial:
            proceed("" if initial == "=" else initial)
            return
        self._say(f"334 {text}")
        self._continuation = proceed

    def _plain(self, response: str) -> None:
        self.ask = Authenticate(*commands.plain_credentials(response))

    def _login_user(self, response: str) -> None:
        user = commands.base64_text(response)

        def login_password(response: str) -> None:
            self.ask = Authenticate(user, commands.base64_text(response))

        self._challenge("UGFzc3dvcmQ6", login_password)

    def _on_mail(self, argument: str) -> None:
        if not self._helo:
            raise CommandRefused("503 5.5.1 EHLO first")
        if self._door.needs_auth and self._identity is None:
            if not self._is_secure:
                raise CommandRefused("530 5.7.0 Say STARTTLS first, then authenticate")
            raise CommandRefused("530 5.7.0 Authentication required")
        if self._msg_from is not None:
            raise CommandRefused("503 5.5.1 There is a sender already")
        mail = commands.mail_from(argument)
        if mail.size_bytes > self._door.limit_bytes:
            raise CommandRefused(self._too_large())
        self._msg_from = mail.address
        self._say("250 2.1.0 Sender ok")

    def _on_rcpt(self, argument: str) -> None:
        if self._msg_from is None:
            raise CommandRefused("503 5.5.1 MAIL first")
        if self._has_chunks:
            raise CommandRefused("503 5.5.1 The message has begun already")
        address = commands.rcpt_to(argument)
        refusal = self._door.recipient(address)
        if refusal is not None:
            raise CommandRefused(refusal)
        if len(self._recipients) >= self._door.recipients:
            raise CommandRefused("452 4.5.3 Too many recipients")
        self._recipients.append(address)
        self._say("250 2.1.5 Recipient ok")

    def _on_data(self, argument: str) -> None:
        if argument:
            raise CommandRefused("501 5.5.4 DATA takes no parameters")
        self._check_transaction()
        if self._has_chunks:
            raise CommandRefused("503 5.5.1 The message has begun with BDAT")
        if self._in:
            # RFC 2920 3.1: DATA is the last of a group. What comes behind it without our 354 could
            # be read as mail or as commands; it becomes neither (test case S5).
            self.end("554 5.5.0 Nothing may follow DATA before the 354")
            return
        self._reader = DataReader(self._door.limit_bytes)
        self._say("354 End with <CRLF>.<CRLF>")

    def _on_bdat(self, argument: str) -> None:
        chunk = commands.chunk(argument)
        if chunk is None:
            # Nobody knows how many bytes follow, and none of them may run as a command.
            self.end("501 5.5.4 Syntax: BDAT size [LAST]")
            return
        self._commands += chunk.size_bytes == 0
        if chunk.size_bytes > 2 * self._door.limit_bytes or self._commands > COMMANDS:
            self.end(self._too_large())
            return
        self._chunk = _Swallowed(chunk.size_bytes, chunk, self._chunk_refusal(chunk))
        if chunk.size_bytes == 0:
            self._end_chunk(self._chunk)

    def _chunk_refusal(self, chunk: Chunk) -> str | None:
        try:
            self._check_transaction()
        except CommandRefused as refused:
            return refused.reply
        if self._is_broken:
            return "503 5.5.1 A chunk before failed: say RSET"
        if len(self._chunks) + chunk.size_bytes > self._door.limit_bytes:
            return self._too_large()
        return None

    def _end_chunk(self, chunk: _Swallowed) -> None:
        self._chunk = None
        self._has_chunks = self._msg_from is not None
        if chunk.refusal is not None:
            self._chunks.clear()
            self._is_broken = True
            if chunk.announced.is_last:
                self._forget_transaction()
            self._fail(chunk.refusal)
        elif not chunk.announced.is_last:
            self._say(f"250 2.0.0 {chunk.announced.size_bytes} octets received")
        else:
            data = bytes(self._chunks)
            self._chunks.clear()
            self._take(data if data.endswith(b"\r\n") or not data else data + b"\r\n")

    def _on_rset(self, _: str) -> None:
        self._forget_transaction()
        self._say("250 2.0.0 Reset")

    def _on_noop(self, _: str) -> None:
        self._say("250 2.0.0 Ok")

    def _on_vrfy(self, _: str) -> None:
        self._say("252 2.5.2 Send the message, and you will see")

    def _on_help(self, _: str) -> None:
        self._say("214 2.0.0 RFC 5321")

    def _on_quit(self, _: str) -> None:
        self.end("221 2.0.0 Bye")

    # The message.

    def _check_transaction(self) -> None:
        if self._msg_from is None:
            raise CommandRefused("503 5.5.1 MAIL first")
        if not self._recipients:
            raise CommandRefused("554 5.5.1 No valid recipients")

    def _take(self, data: bytes) -> None:
        fault = fault_of(data)
        if fault is not None:
            self._refuse_message(fault)
            return
        protocol = "ESMTP" if self._is_extended else "SMTP"
        if self._is_extended:
            protocol += ("S" if self._is_secure else "") + ("A" if self._has_authenticated else "")
        self.ask = TakeMessage(
            Envelope(
                msg_from=self._msg_from or "",
                recipients=tuple(self._recipients),
                data=data,
                helo=self._helo,
                protocol=protocol,
                identity=self._identity,
            )
        )

    def _refuse_message(self, reply: str) -> None:
        self._forget_transaction()
        self._fail(reply)

    def _forget_transaction(self) -> None:
        self._msg_from = None
        self._recipients = []
        self._chunks.clear()
        self._has_chunks = self._is_broken = False

    # Saying.

    def _too_large(self) -> str:
        return f"552 5.3.4 A message may have at most {self._door.limit_bytes} bytes"

    def _fail(self, reply: str) -> None:
        self._say(reply)
        self._errors += 1
        if self._errors >= ERRORS:
            self.end(f"421 4.7.0 {self._door.hostname} Too many errors")

    def _say(self, reply: str) -> None:
        self.out += reply.encode("utf-8", "replace") + b"\r\n"


@dataclass(slots=True)
class _Swallowed:
    """A BDAT chunk that comes in; refusal: what to answer once all of it has."""

    left_bytes: int
    announced: Chunk
    refusal: str | None


@lru_cache(maxsize=16)
def _offers(door: Door, is_secure: bool) -> str:
    offers = ["PIPELINING", f"SIZE {door.limit_bytes}", "8BITMIME", "SMTPUTF8"]
    offers += ["ENHANCEDSTATUSCODES", "CHUNKING"]
    if door.offers_starttls and not is_secure:
        offers.append("STARTTLS")
    if door.needs_auth and is_secure:
        offers.append("AUTH PLAIN LOGIN")
    *lines, last = [door.hostname, *offers]
    return "".join(f"250-{line}\r\n" for line in lines) + f"250 {last}"


_NO_MEMORY = "452 4.3.1 Too much mail comes in at once: try again later"
_HANDLERS: dict[str, Callable[[Session, str], None]] = {
    "EHLO": Session._on_ehlo,
    "HELO": Session._on_helo,
    "STARTTLS": Session._on_starttls,
    "AUTH": Session._on_auth,
    "MAIL": Session._on_mail,
    "RCPT": Session._on_rcpt,
    "DATA": Session._on_data,
    "BDAT": Session._on_bdat,
    "RSET": Session._on_rset,
    "NOOP": Session._on_noop,
    "VRFY": Session._on_vrfy,
    "HELP": Session._on_help,
    "QUIT": Session._on_quit,
}
