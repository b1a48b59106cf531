"""What a mail refers to on the web, and fetching it as its readers' programs do.

Only hosts that the customer named are ever asked: mail under test is full of real addresses.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import default
from html import unescape
from urllib.parse import SplitResult, urlsplit

PERSON = "Mozilla/5.0 (Merpati sandbox; a person)"
SCANNER = "Merpati-Sandbox-Scanner/1.0"
SECONDS = 10.0
MOST_LINKS = 20  # of one mail

_PICTURE = re.compile(r"<img\b[^>]*?\bsrc\s*=\s*[\"']?(http[^\"'\s>]+)", re.IGNORECASE)
_LINK = re.compile(r"<a\b[^>]*?\bhref\s*=\s*[\"']?(http[^\"'\s>]+)", re.IGNORECASE)
_TEXT_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class Links:
    """Web addresses in a mail, in its order, each once."""

    pictures: tuple[str, ...]
    links: tuple[str, ...]


def links_of(data: bytes, hosts: Collection[str]) -> Links:
    """Return what a mail refers to at these hosts ("host" or "host:port")."""
    mail = BytesParser(policy=default).parsebytes(data)
    part = mail.get_body(("html", "plain"))
    if part is None:
        return Links((), ())
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):  # a charset that nobody knows
        return Links((), ())
    if part.get_content_subtype() != "html":
        return Links((), _at(_TEXT_LINK.findall(text), hosts))
    pictures, links = _PICTURE.findall(text), _LINK.findall(text)
    return Links(_at(map(unescape, pictures), hosts), _at(map(unescape, links), hosts))


def _at(found: Iterable[str], hosts: Collection[str]) -> tuple[str, ...]:
    wanted = [one for one in dict.fromkeys(found) if _is_at(one, hosts)]
    return tuple(wanted[:MOST_LINKS])


def _is_at(address: str, hosts: Collection[str]) -> bool:
    try:
        parts = urlsplit(address)
        return parts.netloc.lower() in hosts or (parts.hostname or "") in hosts
    except ValueError:
        return False


def fetch(address: str, agent: str) -> int:
    """Ask for a page once, without following where it leads; return its status, 0 for none."""
    try:
        parts = urlsplit(address)
        connection = _connection(parts)
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("GET", path, headers={"User-Agent": agent})
        return connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException):
        return 0


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=SECONDS)
