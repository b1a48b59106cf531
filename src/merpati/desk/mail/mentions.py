"""What a text names that evidence can be taken of: our message ids, sending IPs, domains. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from merpati.desk.mail.authentication import organisational_domain
from merpati.desk.models import LinkKind

MOST = 5
_READ = 5_000  # characters
_MESSAGE = re.compile(r"\b[0-9a-f]{16}\b")
_IP = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_DOMAIN = re.compile(
    r"(?<![\w.-])(?:[\w.+-]{1,64}@)?((?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24})(?![\w-])"
)
_FILE_NAMES = frozenset({"txt", "log", "pdf", "png", "jpg", "html", "csv", "zip", "doc", "docx"})


def mentions(text: str, sending_ips: Collection[str], besides: str) -> list[tuple[str, str]]:
    """Return kind and value of what a text names, at most five.

    sending_ips: the account's; besides: a domain that is no news, the sender's own.
    """
    read = text[:_READ].lower()
    own = organisational_domain(besides)
    found = [(LinkKind.MESSAGE.value, value) for value in _MESSAGE.findall(read)]
    found += [(LinkKind.SENDING_IP.value, ip) for ip in _IP.findall(read) if ip in sending_ips]
    found += [
        (LinkKind.DOMAIN.value, domain)
        for domain in _DOMAIN.findall(read)
        if domain.rpartition(".")[2] not in _FILE_NAMES
        and organisational_domain(domain) not in {"", own}
    ]
    return list(dict.fromkeys(found))[:MOST]
