"""Which case a mail answers: by a Message-ID of ours that it refers to, else by the subject's tag.

Neither proves anything: whoever once saw a mail of the case knows them. They count for a sender who
is proved, and only in a case of theirs. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

_KEY = re.compile(r"case-(\d{1,10})\.\d+\.\d+\.[0-9a-z]+")
_TAG = re.compile(r"\[#(\d{1,10})\]")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def message_key(case_number: int, update_id: int, recipient: int, at: datetime) -> str:
    """Return the left side of the Message-ID of the mail that tells one recipient of an entry.

    recipient: a contact's number. It can be told again from the entry alone, so
    that later mails refer to it without a look into the outbox; the moment keeps instances apart
    that were made from one backup.
    """
    milliseconds, digits = int(at.timestamp() * 1000), ""
    while milliseconds:
        milliseconds, rest = divmod(milliseconds, len(_DIGITS))
        digits = _DIGITS[rest] + digits
    return f"case-{case_number}.{update_id}.{recipient}.{digits}"


def case_answered(references: Iterable[str], subject: str, domain: str) -> int | None:
    """Return the number of the case that a mail names, None when it names none.

    references: Message-IDs, the latest last; domain: of ours.
    """
    for reference in reversed(list(references)):
        left, _, right = reference.rpartition("@")
        found = _KEY.fullmatch(left)
        if found is not None and right.lower() == domain:
            return int(found[1])
    tag = _TAG.search(subject)
    return int(tag[1]) if tag else None


def tagged(case_number: int, subject: str) -> str:
    """Return a case's subject as mails carry it."""
    return f"[#{case_number}] {subject}"


def untagged(subject: str) -> str:
    """Return a subject without tags and without what replies put before it."""
    text = _TAG.sub("", subject)
    return re.sub(r"^(\s*(re|fwd?|aw|balas|trs)\s*:)+", "", text, flags=re.IGNORECASE).strip()
