"""The bytes of a message as they come in: where they end, and whether they may be taken.

Only CRLF, dot, CRLF ends a message. A lone CR or LF in it is refused and never kept: what one
server takes for the end of a message and another does not is how mail is smuggled.

Source: RFC 5321 sections 2.3.8, 4.1.1.4, 4.5.2, RFC 5322 2.1.1; CVE-2023-51764 to 51766; test
cases S1, S3, S8. Pure.
"""

from __future__ import annotations

LONGEST_LINE = 998  # RFC 5322 2.1.1, without CRLF
_END = b"\r\n.\r\n"
_HARMLESS = bytes(set(range(256)) - set(b"\r\n\0"))


class DataReader:
    """Collects what follows DATA's 354, up to the final dot."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held = bytearray(b"\r\n")  # a lone dot may be the very first line
        self.is_too_large = False
        self.is_dropped = False

    @property
    def held_bytes(self) -> int:
        """Return how much memory it takes."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; return those after the message's end, or None while it has not come."""
        begin = max(len(self._held) - len(_END) + 1, 0)
        self._held += data
        end = self._held.find(_END, begin)
        if end >= 0:
            rest = bytes(self._held[end + len(_END) :])
            del self._held[end + 2 :]
            self.is_too_large |= len(self._held) - 2 > self._limit_bytes
            return rest
        if len(self._held) - 2 > self._limit_bytes:
            self.is_too_large = True
        if self.is_too_large or self.is_dropped:
            del self._held[: -len(_END) + 1]
        return None

    def drop(self) -> None:
        """Keep nothing more of this message, only look for its end."""
        self.is_dropped = True
        del self._held[: -len(_END) + 1]

    def message(self) -> bytes:
        """Return the message without its final dot, dots unstuffed."""
        if b"\r\n." in self._held:
            return bytes(self._held.replace(b"\r\n.", b"\r\n")[2:])
        return bytes(memoryview(self._held)[2:])


def fault_of(data: bytes) -> str | None:
    """Return the refusal of a message whose bytes cannot be taken, or None."""
    # All CR, LF and NUL together are twice as many as the CRLF: none of them stands alone.
    if len(data.translate(None, _HARMLESS)) != 2 * data.count(b"\r\n"):
        if b"\0" in data:
            return "550 5.6.0 NUL in the message"
        return "550 5.6.0 Bare CR or LF in the message: lines must end with CRLF"
    if _has_long_line(data):
        return f"550 5.6.0 Line longer than {LONGEST_LINE} octets"
    return None


def _has_long_line(data: bytes) -> bool:
    begin = 0
    while len(data) - begin > LONGEST_LINE:
        end = data.rfind(b"\r\n", begin, begin + LONGEST_LINE + 2)  # skips all lines that fit
        if end < 0:
            return True
        begin = end + 2
    return False
