"""How a value is written into its place: HTML, plain text, a URL or a header.

Source: sparkpost-api 6.2, "Escaping by place".
"""

from __future__ import annotations

import enum
import re
from urllib.parse import quote

_HTML_SPECIAL = re.compile("[&<>\"'/]")
_URL_UNSAFE = re.compile(r"[^A-Za-z0-9\-_.~]")
_URL_STARTS = re.compile(r"https?://", re.IGNORECASE)
_URL_ENDS = " \t\r\n\"'<>`"


class Place(enum.Enum):
    """Where a template's output goes."""

    HTML = "html"  # AMP too
    TEXT = "text"
    HEADER = "header"  # CR and LF are taken out where the header is written


def escape_html(value: str) -> str:
    """Return text that means itself in HTML content and in quoted attributes."""
    if value.isalnum() or _HTML_SPECIAL.search(value) is None:
        return value
    return (
        value.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#x27;")
        .replace("/", "&#x2F;")
    )


def escape_url(value: str) -> str:
    """Return text percent-encoded as UTF-8, all but letters, digits and `-_.~`."""
    if _URL_UNSAFE.search(value) is None:
        return value
    return quote(value, safe="", errors="replace")


def ends_in_url(literal: str, was_in_url: bool) -> bool:
    """Return whether what follows this literal template text continues a URL written in it."""
    if not was_in_url and "://" not in literal:
        return False
    last_end = max(literal.rfind(end) for end in _URL_ENDS)
    if last_end < 0 and was_in_url:
        return True
    return _URL_STARTS.search(literal, last_end + 1) is not None
