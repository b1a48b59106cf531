"""The mail that is sent: a personalised newsletter of about 11 KB with five links, and a receipt.

Subject, text and HTML use only `{{ name }}`, which means the same in SparkPost's template language
and in jinja2, so both systems render equal mail from equal source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

SENDING_DOMAIN = "news.example.com"
SENDER = {"name": "Island News", "email": f"news@{SENDING_DOMAIN}"}
RECIPIENT_DOMAINS = 5
PROBE_DOMAIN = "probe.example.net"  # its mail goes to a sink that can be read

_NAMES = ("Ayu", "Budi", "Citra", "Dewi", "Eka", "Fajar", "Gita", "Hadi", "Intan", "Joko")
_CITIES = ("Bandung", "Medan", "Surabaya", "Leeds", "Denver", "Makassar", "Boston")
_STORY = (
    "The ferry now calls twice a day, so letters and parcels reach the outer islands before noon; "
    "shops in the harbour open an hour earlier to match, rain or shine. "
)
_LINKS = 5


def _link(number: int, ampersand: str) -> str:
    return f"https://www.example.com/go/{number}/item?o={{{{ order }}}}{ampersand}c={{{{ code }}}}"


def _folded(text: str, width: int = 70) -> str:
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


SUBJECT = "{{ name }}, your order {{ order }} and this month's news"

TEXT = (
    "Hello {{ name }},\n\nyour order {{ order }} for {{ city }} has left our house.\n\n"
    + "".join(f"{_folded(_STORY * 3)}\n{_link(n, '&')}\n\n" for n in range(_LINKS))
    + "You have {{ points }} points.\n\nNo more news: https://www.example.com/stop/{{ code }}\n"
)

HTML = (
    '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>News for {{ name }}</title></head>\n'
    '<body style="font-family:sans-serif">\n<h1>Hello {{ name }}</h1>\n'
    "<p>Your order <b>{{ order }}</b> for {{ city }} has left our house. "
    "You have {{ points }} points.</p>\n"
    + "".join(
        '<table width="600"><tr><td style="padding:12px;color:#333333;font-size:14px">\n'
        + "\n".join(f"<p>{_STORY}</p>" for _ in range(6))
        + f'\n<p><a href="{_link(n, "&amp;")}" style="color:#0055aa">Read on ({n + 1})</a></p>'
        + "</td></tr></table>\n"
        for n in range(_LINKS)
    )
    + '<p><a href="https://www.example.com/stop/{{ code }}">No more news</a></p>\n</body></html>\n'
)

RECEIPT_TEXT = (
    "Hello {{ name }},\n\nthank you for order {{ order }}. It leaves for {{ city }} today.\n\n"
    "https://www.example.com/orders/{{ order }}\n"
)
RECEIPT_HTML = (
    "<html><body><p>Hello {{ name }},</p><p>thank you for order <b>{{ order }}</b>. "
    "It leaves for {{ city }} today.</p>\n"
    '<p><a href="https://www.example.com/orders/{{ order }}">Your order</a></p></body></html>\n'
)


def personal_data(number: int) -> dict[str, Any]:
    """Return what is one recipient's own; equal numbers give equal data."""
    return {
        "name": _NAMES[number % len(_NAMES)],
        "city": _CITIES[number % len(_CITIES)],
        "order": f"A{number:08d}",
        "points": number * 7 % 1000,
        "code": hashlib.blake2b(b"%d" % number, digest_size=12).hexdigest(),
    }


def address(number: int, domain: str | None = None, domains: int = RECIPIENT_DOMAINS) -> str:
    """Return a recipient's address: numbers spread over so many recipient domains."""
    return f"user{number}@{domain or f'd{number % domains}.example.net'}"


def recipient(
    number: int, domain: str | None = None, domains: int = RECIPIENT_DOMAINS
) -> dict[str, Any]:
    """Return one entry of a transmission's recipients."""
    return {
        "address": {"email": address(number, domain, domains)},
        "substitution_data": personal_data(number),
    }


def transmission(
    numbers: Iterable[int],
    start_time: str | None = None,
    domain: str | None = None,
    domains: int = RECIPIENT_DOMAINS,
) -> dict[str, Any]:
    """Return the newsletter as one transmission call; `start_time` is ISO 8601 with offset."""
    recipients = [recipient(number, domain, domains) for number in numbers]
    return _call({"subject": SUBJECT, "text": TEXT, "html": HTML}, recipients, start_time)


def receipt(numbers: Iterable[int], start_time: str | None = None) -> dict[str, Any]:
    """Return the short transactional mail as one transmission call."""
    content = {"subject": "Order {{ order }}", "text": RECEIPT_TEXT, "html": RECEIPT_HTML}
    return _call(content, [recipient(number) for number in numbers], start_time)


def _call(
    content: dict[str, str], recipients: list[dict[str, Any]], start_time: str | None
) -> dict[str, Any]:
    call: dict[str, Any] = {
        "campaign_id": "bench",
        "content": {"from": SENDER, **content},
        "recipients": recipients,
    }
    if start_time is not None:
        call["options"] = {"start_time": start_time}
    return call
