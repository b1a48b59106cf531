"""Email addresses as callers write them: what may stand in an envelope, and where it is routed.

Lenient where real mailboxes are (dots anywhere in the local part), strict where a line or a header
could break: no white space, no control characters, no angle brackets, no quoted local part (what
composes a message takes none). Pure.

Source: RFC 5321 section 4.1.2 (Mailbox), RFC 5890 (IDNA); sparkpost-api 4.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

from merpati.sending.domain_names import checked_domain
from merpati.sending.errors import InvalidValue

_LOCAL = r"""[A-Za-z0-9!\#$%&'*+/=?^_`{|}~.-]{1,64}"""  # dot-atom, its dots anywhere
_ADDRESS = re.compile(rf"({_LOCAL})@([^@\s]{{1,255}})")
_BREAKS_A_LINE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x80-\x9f\u2028\u2029]")
_ENCODED_WORD = re.compile(r"=\?[^?]*\?[bBqQ]\?[^?]*\?=")

_DOMAINS_REMEMBERED = 65_536


def envelope_address(text: str) -> tuple[str, str] | None:
    """Return (address for RCPT TO, routing domain), or None when `text` is no address.

    The address is as given; only an internationalised domain becomes ASCII. The routing domain is
    lower case. Local parts beyond ASCII need SMTPUTF8, which is not spoken yet: None.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    domain = routing_domain(found[2])
    if domain is None:
        return None
    return (text if text.isascii() else f"{found[1]}@{domain}"), domain


@lru_cache(maxsize=_DOMAINS_REMEMBERED)
def routing_domain(text: str) -> str | None:
    """Return a domain in lower case ASCII, or None when mail cannot be routed to it."""
    try:
        return None if text.endswith(".") else checked_domain(text)
    except InvalidValue:
        return None


def split_mailbox(text: str) -> tuple[str | None, str]:
    """Return (display name or None, address) of `a@b`, `Name <a@b>` or `"Name" <a@b>`, trimmed."""
    text = text.strip()
    if not text.endswith(">"):
        return None, text
    name, bracket, email = text[:-1].rpartition("<")
    if not bracket:
        return None, text
    name = name.strip()
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name or None, email.strip()


def breaks_a_line(text: str) -> bool:
    """Return whether a header that holds `text` could be read as more than that one header.

    True for control characters and other line ends, also when hidden in an RFC 2047 encoded word.
    """
    if _BREAKS_A_LINE.search(text):
        return True
    return "=?" in text and any(map(_hides_control, _ENCODED_WORD.findall(text)))


def _hides_control(word: str) -> bool:
    # A charset may be anything; CR and LF are the same byte in all that mail uses.
    _, _, encoding, payload, _ = word.split("?", 4)
    if encoding in "qQ":
        codes = (int(code, 16) for code in re.findall(r"=([0-9A-Fa-f]{2})", payload))
        return any(code < 0x20 and code != 0x09 for code in codes)
    decoded = _lenient_base64(payload)
    return any(byte < 0x20 and byte != 0x09 for byte in decoded)


def _lenient_base64(payload: str) -> bytes:
    data = re.sub(r"[^A-Za-z0-9+/]", "", payload)
    data = data[: len(data) - (len(data) % 4 == 1)]
    return binascii.a2b_base64(data + "=" * (-len(data) % 4))
