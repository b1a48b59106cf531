"""Header fields: the one encoder through which every header of a message goes.

Whatever a value holds, it stays within its field: CR, LF and other control characters are taken
out, non-ASCII becomes RFC 2047 base64, long lines are folded. A value that comes out empty makes no
field at all.

Source: RFC 5322 2.1.1 (line lengths), 2.2.3 (folding), 3.4 (addresses); RFC 2047; sparkpost-api 4.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple

from merpati.message.dkim import relaxed_value

_LINE = 78  # columns to fold to
_WORD_LINE = 76  # RFC 2047 2: a line with an encoded word is shorter
_LONGEST_WORD = 900  # what cannot be folded may fill a line, but never pass RFC 5322's 998
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,76}")
_CONTROLS = {code: None for code in (*range(32), 127) if code != ord("\t")}
_ENCODED_WORD = re.compile(r"=\?[!->@-~]+\?[bBqQ]\?[!->@-~]*\?=")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$%&'*+\-/=?^_`{|}~.,:;@()<>\[\]]*")
_ADDRESS = re.compile(r"[!-~]+@[A-Za-z0-9.\-_:\[\]]+")


class HeaderField(NamedTuple):
    """One field of a header, ready to be sent and ready to be signed.

    name: lower case; wire: as sent, folded, with its line end; relaxed: RFC 6376 form, with CRLF.
    """

    name: str
    wire: str
    relaxed: str


class NamedAddress(NamedTuple):
    """An address with an optional display name, both as plain text."""

    name: str
    address: str


def is_header_name(name: str) -> bool:
    """Return whether a name may stand before the colon (the characters of an RFC 9110 token)."""
    return _TOKEN.fullmatch(name) is not None


def clean(value: str) -> str:
    """Return a value without control characters and without blanks around it."""
    return value.strip() if value.isprintable() else value.translate(_CONTROLS).strip()


def text_field(name: str, value: str) -> HeaderField | None:
    """Return a field of free text, such as Subject; None when nothing is left of the value."""
    value = clean(value)
    if not value:
        return None
    if value.isascii() and len(name) + 2 + len(value) <= _LINE:
        relaxed = relaxed_value(value) if "  " in value or "\t" in value else value
        lower = name.lower()
        return HeaderField(lower, f"{name}: {value}\r\n", f"{lower}:{relaxed}\r\n")
    words = value.split() if value.isascii() else []
    if not words or max(map(len, words)) > _LONGEST_WORD:
        words = _encoded_words(value, len(name) + 2)
    return _folded(name, words)


def token_field(name: str, token: str) -> HeaderField | None:
    """Return a field of one long opaque word, cut where lines end; readers take out the blanks."""
    step = _LINE - len(name) - 2
    if token.isascii() and token.isalnum() and len(token) <= step:
        lower = name.lower()
        return HeaderField(lower, f"{name}: {token}\r\n", f"{lower}:{token}\r\n")
    token = "".join(clean(token).split())
    words = [token[i : i + step] for i in range(0, len(token), step)]
    return _folded(name, words) if words else None


def mailbox_field(name: str, mailbox: NamedAddress) -> HeaderField:
    """Return a field of one address, such as From; the address is one `is_address` accepts."""
    plain = mailbox.name
    if _PLAIN_NAME.fullmatch(plain):
        value = f'"{plain}" <{mailbox.address}>' if plain else mailbox.address
        if len(name) + 2 + len(value) <= _LINE and "  " not in plain and "=?" not in plain:
            lower = name.lower()
            return HeaderField(lower, f"{name}: {value}\r\n", f"{lower}:{value}\r\n")
    return _folded(name, _mailbox_words(mailbox, len(name) + 2))


def address_field(name: str, value: str) -> HeaderField | None:
    """Return a field of a list of addresses written by somebody else, read leniently.

    Names are encoded, domains become ASCII; what cannot be read as an address is kept as text.
    """
    words: list[str] = []
    for text in split_addresses(clean(value)):
        words += _mailbox_words(read_mailbox(text), len(name) + 2)
        words[-1] += ","
    if not words:
        return None
    words[-1] = words[-1][:-1]
    return _folded(name, words)


def read_mailbox(text: str) -> NamedAddress:
    """Return `Name <address>` or a bare address taken apart; never fails, may be no address."""
    text = clean(text)
    start = text.rfind("<")
    if start < 0 or not text.endswith(">"):
        return NamedAddress("", ascii_address(text))
    return NamedAddress(
        _unquoted(text[:start].strip()), ascii_address(text[start + 1 : -1].strip())
    )


def is_address(text: str) -> bool:
    """Return whether a text is one ASCII address that is safe in a header and in an envelope."""
    return (
        text.count("@") == 1
        and len(text) <= 320
        and _ADDRESS.fullmatch(text) is not None
        and not set('<>,;"\\()') & set(text)
    )


def ascii_address(address: str) -> str:
    """Return an address with its domain in ASCII (IDNA), or unchanged where that is impossible."""
    if address.isascii():
        return address
    local, at, domain = address.rpartition("@")
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError:
        return address


# -- addresses --

_ADDRESS_SIGNS = re.compile(r'["\\,<>]')


def split_addresses(text: str) -> list[str]:
    """Return the texts between commas that stand outside quotes and angle brackets."""
    found: list[str] = []
    start, is_quoted, is_bracketed, skip = 0, False, False, -1
    for match in _ADDRESS_SIGNS.finditer(text):
        sign, position = match[0], match.start()
        if position == skip:
            continue
        if sign == "\\":
            skip = position + 1
        elif sign == '"':
            is_quoted = not is_quoted
        elif is_quoted:
            continue
        elif sign == ",":
            if not is_bracketed:
                found.append(text[start:position])
                start = position + 1
        else:
            is_bracketed = sign == "<"
    found.append(text[start:])
    return [stripped for part in found if (stripped := part.strip())]


def _unquoted(name: str) -> str:
    if len(name) >= 2 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1]).strip()
    return name


def _mailbox_words(mailbox: NamedAddress, column: int) -> list[str]:
    """Return the unbreakable words of one address; column: where the first one will stand."""
    address = clean(mailbox.address)
    if not address.isascii() or max(map(len, address.split()), default=0) > _LONGEST_WORD:
        return _encoded_words(f"{mailbox.name} {address}".strip(), column)
    name = " ".join(mailbox.name.split())
    if not name:
        return address.split() or ["<>"]
    words = name.split(" ")
    if not all(_ENCODED_WORD.fullmatch(word) for word in words):
        quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        is_short = quoted.isascii() and len(quoted) <= _LONGEST_WORD
        words = [quoted] if is_short else _encoded_words(name, column)
    return [*words, f"<{address}>"]


# -- folding and encoding --


def _folded(name: str, words: list[str]) -> HeaderField:
    """Return a field of unbreakable words, at least one, as many on a line as fit."""
    # The first word stands on the first line even if it is long: some readers take a field whose
    # first line is empty for no field.
    lines = [f"{name}: {words[0]}"]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > _LINE:
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    lower = name.lower()
    relaxed = relaxed_value(" ".join(words))
    return HeaderField(lower, "\r\n".join(lines) + "\r\n", f"{lower}:{relaxed}\r\n")


def _encoded_words(text: str, column: int) -> list[str]:
    """Return RFC 2047 base64 words for a text; characters are never cut in two."""
    data = text.encode("utf-8", "replace")
    words: list[str] = []
    position = 0
    while position < len(data):
        room = _WORD_LINE - (column if not words else 1) - len("=?UTF-8?B??=")
        end = position + max(room // 4 * 3, 9)
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?UTF-8?B?{b64encode(data[position:end]).decode()}?=")
        position = end
    return words
