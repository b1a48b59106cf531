"""SMTP on the wire: reading replies strictly, writing the envelope. Pure.

A reply is read only in the one form RFC 5321 section 4.2 allows. Whatever else comes (a bare CR
or LF, NUL, endless lines, changing codes) is a ProtocolViolation, which ends the connection and
defers what was on it: guessing what a broken answer meant would be guessing about mail.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass

from merpati.delivery.outcome import Reply

MAX_LINE_BYTES = 2_048  # RFC 5321 section 4.5.3.1.5 says 512; real providers exceed it
MAX_REPLY_BYTES = 65_536


class ProtocolViolation(Exception):
    """The far end does not speak SMTP; carries what was wrong, without the bytes themselves."""


RawReply = tuple[int, bytes]  # code, text lines joined by LF; cheap, since most are only counted


class ReplyReader:
    """Cuts a byte stream into replies."""

    __slots__ = ("_code", "_lines", "_partial", "_size")

    def __init__(self) -> None:
        self._partial = b""
        self._code = 0
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[RawReply]:
        """Return the replies completed by `data`. Raises ProtocolViolation."""
        if self._partial:
            data = self._partial + data
        replies: list[RawReply] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if end == start or data[end - 1] != 13:
                raise ProtocolViolation("a reply line ends without CRLF")
            if end - start > MAX_LINE_BYTES:
                raise ProtocolViolation(f"a reply line has more than {MAX_LINE_BYTES} bytes")
            self._line(data[start : end - 1], replies)
            start = end + 1
        self._partial = data[start:]
        if len(self._partial) > MAX_LINE_BYTES:
            raise ProtocolViolation(f"a reply line has more than {MAX_LINE_BYTES} bytes")
        return replies

    @property
    def is_empty(self) -> bool:
        """Return whether nothing of a further reply has come yet."""
        return not (self._partial or self._lines)

    def _line(self, line: bytes, replies: list[RawReply]) -> None:
        code = _CODES.get(line[:3])
        if code is None:
            raise ProtocolViolation("a line that is no SMTP reply")
        if b"\r" in line or b"\0" in line:
            raise ProtocolViolation("a reply line with a bare CR or NUL")
        separator = line[3:4]
        if separator == b" " or not separator:
            if not self._lines:
                replies.append((code, line[4:]))
                return
            self._continue(code, line)
            replies.append((code, b"\n".join(self._lines)))
            self._lines, self._size = [], 0
        elif separator == b"-":
            self._continue(code, line)
        else:
            raise ProtocolViolation("a line that is no SMTP reply")

    def _continue(self, code: int, line: bytes) -> None:
        if self._lines and code != self._code:
            raise ProtocolViolation("a reply whose code changes between its lines")
        self._code = code
        self._size += len(line)
        if self._size > MAX_REPLY_BYTES:
            raise ProtocolViolation(f"a reply of more than {MAX_REPLY_BYTES} bytes")
        self._lines.append(line[4:])


_CODES = {b"%d" % code: code for code in range(200, 600)}
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")


def reply_of(raw: RawReply) -> Reply:
    """Return a raw reply with its enhanced code taken apart (RFC 2034: it starts each line)."""
    code, data = raw
    text = data.decode("utf-8", "replace")
    found = _ENHANCED.match(text)
    if found is None:
        return Reply(code, None, text)
    if "\n" not in text:
        return Reply(code, found[1], text[found.end() :])
    lines = [_ENHANCED.sub("", line, count=1) for line in text.split("\n")]
    return Reply(code, found[1], "\n".join(lines))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the far end offered in its EHLO answer.

    size_limit_bytes: its SIZE limit, 0 for none stated; size: it takes the SIZE parameter;
    eight_bit: it takes bodies of 8 bits (8BITMIME); auth: mechanisms, upper case.
    """

    pipelining: bool = False
    size: bool = False
    size_limit_bytes: int = 0
    smtputf8: bool = False
    eight_bit: bool = False
    starttls: bool = False
    auth: frozenset[bytes] = frozenset()


def capabilities_of(text: bytes) -> Capabilities:
    """Return what an EHLO answer offers; its first line is the greeting, RFC 5321 section 4.1.1.1.

    Keywords that we do not know, or that are written wrongly, offer nothing.
    """
    offers = {}
    for line in text.split(b"\n")[1:]:
        keyword, _, parameters = line.strip().partition(b" ")
        offers[keyword.upper()] = parameters.strip()
    limit = offers.get(b"SIZE", b"")
    return Capabilities(
        pipelining=b"PIPELINING" in offers,
        size=b"SIZE" in offers,
        size_limit_bytes=int(limit) if limit.isdigit() and len(limit) < 20 else 0,
        smtputf8=b"SMTPUTF8" in offers,
        eight_bit=b"8BITMIME" in offers,
        starttls=b"STARTTLS" in offers,
        auth=frozenset(offers.get(b"AUTH", b"").upper().split()),
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whom we are at a smart host. Said only under TLS, or on the loopback interface."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, …)"


def auth_lines(credentials: Credentials, offered: frozenset[bytes]) -> list[bytes]:
    """Return what to say one after the other; nothing if neither PLAIN nor LOGIN is offered.

    PLAIN (RFC 4616) is preferred. LOGIN is no standard, but some smart hosts know no other.
    """
    username, password = credentials.username.encode(), credentials.password.encode()
    if b"PLAIN" in offered:
        return [b"AUTH PLAIN " + b64encode(b"\0" + username + b"\0" + password) + b"\r\n"]
    if b"LOGIN" in offered:
        return [b"AUTH LOGIN\r\n", b64encode(username) + b"\r\n", b64encode(password) + b"\r\n"]
    return []


_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
_UNSAFE_QUOTED = re.compile(r"[\x00-\x1f\x7f<>]")


def is_writable(address: str) -> bool:
    """Return whether an address can stand between the angle brackets of MAIL or RCPT.

    The last gate against command injection: no control character, space or bracket passes (a
    space only in a quoted local part). Surrogates, which no encoding takes, do not pass either.
    """
    unsafe = _UNSAFE_QUOTED if address.startswith('"') else _UNSAFE
    return not unsafe.search(address) and (address.isascii() or address.isprintable())


def mail_command(
    msg_from: str,
    size_bytes: int,
    capabilities: Capabilities,
    utf8: bool,
    is_8bit: bool = False,
) -> bytes:
    """Return the MAIL line.

    utf8: the envelope holds a non-ASCII address (RFC 6531); is_8bit: so is the body (RFC 6152).
    """
    size = f" SIZE={size_bytes}" if capabilities.size else ""
    parameters = f"{size}{' SMTPUTF8' if utf8 else ''}{' BODY=8BITMIME' if is_8bit else ''}"
    return f"MAIL FROM:<{msg_from}>{parameters}\r\n".encode()


def rcpt_command(rcpt_to: str) -> bytes:
    """Return the RCPT line."""
    return f"RCPT TO:<{rcpt_to}>\r\n".encode()
