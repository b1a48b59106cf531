"""Patterns over the text of replies, in order of precedence: the first that matches counts.

All patterns of a list become one regular expression, which tries each in turn over the whole text:
so their order decides, and not which stands first in the text. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_TEXT = 1_000  # characters of a reply that are read: some send whole pages

_MARK = "·"  # in place of what was taken out
_PARTICULARS = re.compile(
    r"<?[^\s<>@]+@[^\s<>@]+>?"  # addresses
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IPv4
    r"|\b[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){4,7}\b"  # IPv6
    r"|\b(?=[a-z-]{0,40}\d)[0-9a-z-]{12,}(?![\w])",  # session and queue ids
    re.IGNORECASE | re.ASCII,
)
_GROUP = re.compile(r"(?<!\\)\((?!\?)")


class Patterns:
    """An ordered list of patterns, searched without regard to case. Groups in them only group."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises re.error for what is no pattern."""
        # Each alternative ends in an empty group of its own, whose number says which it was.
        each = (f".*?(?:{_GROUP.sub('(?:', pattern)})()" for pattern in patterns)
        self._expression = re.compile("|".join(each), re.IGNORECASE | re.DOTALL)
        self._is_empty = not patterns
        if self._expression.groups != len(patterns):
            raise re.error("a pattern has a group that captures")

    def find(self, text: str) -> int | None:
        """Return the index of the first pattern, in their order, that occurs in the text."""
        if self._is_empty:
            return None
        found = self._expression.match(text)
        return None if found is None or found.lastindex is None else found.lastindex - 1


def without_particulars(text: str) -> str:
    """Return a reply's text with what differs from message to message taken out.

    Addresses, IP addresses, session and queue ids: so that alike replies are read once, and so that
    nobody's address is taken for the provider's words.
    """
    return _PARTICULARS.sub(_MARK, text[:LONGEST_TEXT])
