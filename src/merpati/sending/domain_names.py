"""Domain names as they are stored and compared: lower case, ASCII, no final dot. Pure.

Source: RFC 1035 2.3.4 (sizes), RFC 5890 (internationalised names as A-labels); sparkpost-api 10.
"""

from __future__ import annotations

import re

from merpati.sending.errors import InvalidValue

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?")
_HOSTNAME = re.compile(r"[a-z0-9.-]+")
# IDNA 2008 keeps these apart, the standard library's IDNA 2003 folds them into other names.
_DEVIATIONS = frozenset("ßς\u200c\u200d")


def checked_domain(text: str, field: str = "domain") -> str:
    """Return a domain name as stored. Raises InvalidValue, with SparkPost's text for no dot."""
    name = text.strip().lower().removesuffix(".")
    if "." not in name:
        raise InvalidValue(f"Error domain name contains no '.'(s) for domain: '{text}'", field)
    if _DEVIATIONS.intersection(name):
        raise InvalidValue(f"Give {text!r} in its ASCII form, which begins with xn--.", field)
    try:
        name = name.encode("idna").decode()
    except UnicodeError:
        raise InvalidValue(f"{text!r} is not a domain name.", field) from None
    if not _DOMAIN.fullmatch(name):
        raise InvalidValue(f"{text!r} is not a domain name.", field)
    return name


def checked_hostname(text: str, field: str = "hostname") -> str:
    """Return a host name as said in EHLO, RFC 5321 4.1.1.1. Raises InvalidValue."""
    try:
        name = checked_domain(text, field)
    except InvalidValue:
        name = ""
    if not _HOSTNAME.fullmatch(name):
        raise InvalidValue(
            f"{field}: {text!r} is not a full host name, as mta1.example.com: labels of letters, "
            "digits and hyphens, with dots between them.",
            field,
        )
    return name
