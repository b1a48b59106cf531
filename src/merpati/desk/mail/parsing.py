"""A mail taken apart: who says they wrote it, what they say, and what hangs on it. Never raises.

Whoever writes to us may be hostile, or their program broken. So header fields are not parsed by the
standard library's new policy, which fails and stalls on some of them, but read as text and decoded
here; and a mail of absurd structure is kept whole and not taken apart (`is_readable` False).

Source: RFC 5322, 2045 to 2047, 2183; test cases F1, H1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message

from merpati.desk.attachments import NewFile, clean_name
from merpati.desk.mail.html import text_of_html
from merpati.message.header import is_address, read_mailbox, split_addresses
from merpati.message.submitted import split_message

MOST_PARTS = 2_000
MOST_BOUNDARIES = 20  # each line is held against the boundaries of all parts it lies in
MOST_LINES = 400_000  # of 20 MB in base64 there are 280,000
MOST_FILES = 200  # of more only the number is told
TEXT_CHARACTERS = 200_000
HTML_CHARACTERS = 500_000
REFERENCES = 50
_ID = re.compile(r"<([^<>\s]{1,250})>")
_FOLD = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """What a mail says. Everything in it is untrusted; texts hold no control characters.

    from_email: lower case, "" unless From holds exactly one address; headers: by lower-case name,
    raw; references: Message-IDs without brackets that it answers, the latest last; text: what there
    is to read, of the HTML where there is no plain text; more_files: beyond those in `files`.
    """

    headers: dict[str, list[str]]
    from_email: str = ""
    from_name: str = ""
    subject: str = ""
    message_id: str = ""
    references: tuple[str, ...] = ()
    text: str = ""
    html: str = ""
    files: tuple[NewFile, ...] = ()
    more_files: int = 0
    is_readable: bool = True

    def header(self, name: str) -> str:
        """Return the first field of a lower-case name, decoded, or ""."""
        return _decoded(self.headers.get(name, [""])[0])


@dataclass(slots=True)
class _Found:
    texts: list[str] = field(default_factory=list)
    htmls: list[str] = field(default_factory=list)
    files: list[NewFile] = field(default_factory=list)
    more_files: int = 0


def parse(data: bytes) -> ParsedMail:
    """Take a mail apart. data: CRLF lines."""
    head = split_message(data)[0]
    headers = _headers(head)
    found = _Found()
    is_readable = (
        data.lower().count(b"boundary=") <= MOST_BOUNDARIES and data.count(b"\n") <= MOST_LINES
    )
    if is_readable:
        try:
            _walk(message_from_bytes(data, policy=policy.compat32), found)
        except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
            is_readable = False
    html = "\n".join(found.htmls)[:HTML_CHARACTERS]
    text = "\n".join(found.texts)[:TEXT_CHARACTERS] or text_of_html(html)[:TEXT_CHARACTERS]
    name, address = _sender(headers)
    return ParsedMail(
        headers=headers,
        from_email=address,
        from_name=one_line(name)[:200],
        subject=one_line(_decoded(headers.get("subject", [""])[0]))[:300],
        message_id=next(iter(_ids(headers, "message-id")), ""),
        references=_answered(headers),
        text=printable(text).strip(),
        html=html,
        files=tuple(found.files),
        more_files=found.more_files,
        is_readable=is_readable,
    )


def one_line(text: str) -> str:
    """Return a text with every run of blanks, line ends and controls as one blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def printable(text: str) -> str:
    """Return a text of lines without control characters, with line feeds alone."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    if text.isprintable():
        return text
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _headers(head: bytes) -> dict[str, list[str]]:
    """Return the fields of a header, unfolded; lines that are none are left out."""
    found: dict[str, list[str]] = {}
    for line in _FOLD.sub("", head.decode("utf-8", "replace")).split("\n"):
        name, colon, value = line.rstrip("\r").partition(":")
        if colon and name.strip() and name.isascii():
            found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def _sender(headers: dict[str, list[str]]) -> tuple[str, str]:
    """Return name and address of the one author; what is not exactly one is nobody."""
    fields = headers.get("from", [])
    addresses = split_addresses(fields[0]) if len(fields) == 1 else []
    if len(addresses) != 1:
        return "", ""
    mailbox = read_mailbox(addresses[0])
    if not is_address(mailbox.address):
        return _decoded(mailbox.name), ""
    return _decoded(mailbox.name), mailbox.address.lower()


def _ids(headers: dict[str, list[str]], name: str) -> list[str]:
    return [id_ for value in headers.get(name, ())[:1] for id_ in _ID.findall(value)]


def _answered(headers: dict[str, list[str]]) -> tuple[str, ...]:
    return (*_ids(headers, "references"), *_ids(headers, "in-reply-to"))[-REFERENCES:]


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):  # an unknown or wrongly used charset
        return value


def _walk(message: Message, found: _Found) -> None:
    for number, part in enumerate(_leaves(message), 1):
        if number > MOST_PARTS:
            found.more_files += 1
            continue
        _take(part, found)


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold no others; a forwarded mail is one of them."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            waiting += reversed(_inner(part))
        else:
            yield part


def _inner(part: Message) -> list[Message]:
    held = part.get_payload()
    return [each for each in held if isinstance(each, Message)] if isinstance(held, list) else []


def _take(part: Message, found: _Found) -> None:
    kind = part.get_content_type()
    name = clean_name(_decoded(part.get_filename() or "")) if part.get_filename() else ""
    is_apart = part.get_content_disposition() == "attachment" or bool(name)
    if kind == "text/plain" and not is_apart:
        found.texts.append(_text(part))
    elif kind == "text/html" and not is_apart:
        found.htmls.append(_text(part))
    elif len(found.files) >= MOST_FILES:
        found.more_files += 1
    else:
        data = _content(part)
        if data:
            found.files.append(NewFile(name or _name_of(kind), data, kind))


def _content(part: Message) -> bytes:
    if part.is_multipart():  # a forwarded mail, or a report's fields
        return b"\r\n".join(each.as_bytes() for each in _inner(part))
    del part["content-type"]  # the library would decode by a charset of the sender's invention
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    try:
        charset = str(part.get_content_charset("utf-8"))
    except (LookupError, ValueError):
        charset = "utf-8"
    data = _content(part)[: 4 * HTML_CHARACTERS]
    try:
        return data.decode(charset, "replace")
    except (LookupError, ValueError, TypeError):  # nobody knows it, or it is none for texts
        return data.decode("utf-8", "replace")


def _name_of(kind: str) -> str:
    return "message.eml" if kind == "message/rfc822" else f"file.{kind.partition('/')[2]}"[:40]
