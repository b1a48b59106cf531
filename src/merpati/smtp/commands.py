"""SMTP commands as clients write them: one line in, its parts out, or the refusal to answer with.

Source: RFC 5321 sections 4.1.1 and 4.1.2, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8),
RFC 3030 (BDAT), RFC 4954 (AUTH). Pure.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

_PATHS = {
    keyword: re.compile(rf"{keyword}: ?<(?:@[^<>:]+:)?([^<>]*)>(?: +(.*))?", re.IGNORECASE)
    for keyword in ("FROM", "TO")
}
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")
_CHUNK = re.compile(r"(\d{1,20})(?: +(LAST))?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DIGITS_OF_A_SIZE = 20


class CommandRefused(Exception):
    """A command cannot be understood or used; `reply` is the whole answer."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class MailFrom:
    """`MAIL FROM:<...>`: address "" for the null sender; size_bytes: announced, 0 for not."""

    address: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """`BDAT size [LAST]`."""

    size_bytes: int
    is_last: bool


def read_line(line: bytes) -> tuple[str, str]:
    """Return (verb in upper case, argument) of a line with its line end. Raises CommandRefused."""
    if not line.endswith(b"\r\n"):
        raise CommandRefused("500 5.5.2 Lines must end with CRLF")
    try:
        text = line[:-2].decode("utf-8")
    except UnicodeDecodeError:
        raise CommandRefused("500 5.5.2 Syntax error: not UTF-8") from None
    if not text.isprintable() and _CONTROL.search(text):
        raise CommandRefused("500 5.5.2 Syntax error: control characters")
    verb, _, argument = text.partition(" ")
    return verb.upper(), argument.strip(" ")


def mail_from(argument: str) -> MailFrom:
    """Return what MAIL says. Raises CommandRefused."""
    address, parameters = _path("FROM", argument)
    size = parameters.pop("SIZE", "0")
    if not (size.isascii() and size.isdigit()) or len(size) > _DIGITS_OF_A_SIZE:
        raise CommandRefused("501 5.5.4 SIZE must be a number")
    if parameters.pop("BODY", "7BIT").upper() not in {"7BIT", "8BITMIME"}:
        raise CommandRefused("501 5.5.4 BODY must be 7BIT or 8BITMIME")
    if parameters.pop("SMTPUTF8", ""):
        raise CommandRefused("501 5.5.4 SMTPUTF8 takes no value")
    parameters.pop("AUTH", None)  # RFC 4954 5: a claim of the client's that we do not use
    _nothing_left(parameters)
    return MailFrom(address, int(size))


def rcpt_to(argument: str) -> str:
    """Return the address that RCPT names. Raises CommandRefused."""
    address, parameters = _path("TO", argument)
    _nothing_left(parameters)
    return address


def chunk(argument: str) -> Chunk | None:
    """Return what BDAT announces; None when it cannot be read: then nobody knows what follows."""
    found = _CHUNK.fullmatch(argument)
    return Chunk(int(found[1]), found[2] is not None) if found else None


def base64_text(text: str) -> str:
    """Return what AUTH's base64 says, as text. Raises CommandRefused."""
    try:
        return binascii.a2b_base64(text, strict_mode=True).decode("utf-8")
    except ValueError:  # binascii.Error and UnicodeDecodeError
        raise CommandRefused("501 5.5.2 Cannot decode base64") from None


def plain_credentials(text: str) -> tuple[str, str]:
    """Return (user, password) of a PLAIN response (RFC 4616). Raises CommandRefused."""
    parts = base64_text(text).split("\0")
    if len(parts) != 3 or parts[0] not in {"", parts[1]}:
        raise CommandRefused("501 5.5.2 Malformed credentials")
    return parts[1], parts[2]


def _path(keyword: str, argument: str) -> tuple[str, dict[str, str]]:
    found = _PATHS[keyword].fullmatch(argument)
    if found is None:
        raise CommandRefused(f"501 5.5.4 Syntax: {keyword}:<address>")
    parameters: dict[str, str] = {}
    for word in (found[2] or "").split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None or parameter[1].upper() in parameters:
            raise CommandRefused("501 5.5.4 Syntax error in parameters")
        parameters[parameter[1].upper()] = parameter[2] or ""
    return found[1], parameters


def _nothing_left(parameters: dict[str, str]) -> None:
    if parameters:
        raise CommandRefused(f"555 5.5.4 Parameter {next(iter(parameters))[:40]} is not supported")
