"""What a refusal means: SparkPost's bounce classes from enhanced and basic reply codes.

Only the fallback tables: patterns over the text of replies, which go first, are a later part.
Only one text rule stands here, since a bare 550 says nothing: wording that names an unknown user.

Source: SparkPost "Bounce Classification Codes"; RFC 3463, 5248, 7372, 7504, 7505 (codes).
"""

from __future__ import annotations

import enum
import re


class BounceClass(enum.IntEnum):
    """SparkPost's numeric bounce classes that a session or our own policy can give."""

    UNDETERMINED = 1
    INVALID_RECIPIENT = 10
    SOFT = 20
    DNS_FAILURE = 21
    MAILBOX_FULL = 22
    TOO_LARGE = 23
    TIMEOUT = 24
    ADMIN_FAILURE = 25
    GENERIC = 40
    MAIL_BLOCK = 50
    SPAM_BLOCK = 51
    SPAM_CONTENT = 52
    PROHIBITED_ATTACHMENT = 53
    RELAYING_DENIED = 54
    TRANSIENT = 70


_INVALID, _GENERIC, _BLOCK = (
    BounceClass.INVALID_RECIPIENT,
    BounceClass.GENERIC,
    BounceClass.MAIL_BLOCK,
)

# By subject and detail of the enhanced code ("5.1.1" → "1.1"); "1.*" where the detail is unlisted.
_BY_ENHANCED: dict[str, BounceClass] = {
    **dict.fromkeys(("1.0", "1.1", "1.2", "1.3", "1.6", "1.10"), _INVALID),
    "1.4": _GENERIC,
    **dict.fromkeys(("1.7", "1.8"), _BLOCK),
    **dict.fromkeys(("2.0", "2.4", "3.0", "3.2", "3.3", "3.5"), _GENERIC),
    "2.1": _INVALID,
    "2.2": BounceClass.MAILBOX_FULL,
    "2.3": BounceClass.TOO_LARGE,
    "3.1": BounceClass.TRANSIENT,
    "3.4": BounceClass.TOO_LARGE,
    **dict.fromkeys(("4.0", "4.1", "4.2", "4.6"), _GENERIC),
    **dict.fromkeys(("4.3", "4.4"), BounceClass.DNS_FAILURE),
    "4.5": BounceClass.TRANSIENT,
    "4.7": BounceClass.TIMEOUT,
    "5.3": BounceClass.TRANSIENT,
    "5.*": _GENERIC,
    "6.0": _BLOCK,
    "6.*": _GENERIC,
    **dict.fromkeys(("7.13", "7.17", "7.18"), _INVALID),
    **dict.fromkeys(("7.15", "7.19"), _GENERIC),
    "7.16": BounceClass.TOO_LARGE,
    "7.28": BounceClass.SPAM_BLOCK,
    "7.*": _BLOCK,
}

_BY_CODE: dict[int, BounceClass] = {
    **dict.fromkeys((421, 450, 451, 452, 454), BounceClass.TRANSIENT),
    **dict.fromkeys((455, 500, 501, 502, 503, 504, 555), _GENERIC),
    **dict.fromkeys((521, 551, 556), _INVALID),
    **dict.fromkeys((530, 535, 554), _BLOCK),
}

_UNKNOWN_USER = re.compile(
    r"(no such|unknown|invalid|non-?existent) (local )?(user|recipient|mailbox|address|account)"
    r"|(user|recipient|mailbox|account|address)( \S+)? (unknown|not found|unavailable|invalid"
    r"|does not exist|doesn'?t exist|is unknown)",
    re.IGNORECASE,
)


def classify(code: int, enhanced: str | None, text: str, at_rcpt: bool) -> BounceClass:
    """Return the bounce class of a refusal; UNDETERMINED when neither code says anything.

    at_rcpt: the reply answered RCPT, so it speaks of the recipient; otherwise of the message.
    """
    if enhanced is not None and (found := _by_enhanced(enhanced)) is not None:
        return found
    match code:
        case 550 if at_rcpt:
            return _INVALID if _UNKNOWN_USER.search(text) else _GENERIC
        case 550:
            return _BLOCK
        case 552:
            return BounceClass.MAILBOX_FULL if at_rcpt else BounceClass.TOO_LARGE
        case 553:
            return _INVALID if at_rcpt else _BLOCK
        case _:
            return _BY_CODE.get(code, BounceClass.UNDETERMINED)


def _by_enhanced(enhanced: str) -> BounceClass | None:
    subject, _, detail = enhanced[2:].partition(".")
    return _BY_ENHANCED.get(f"{subject}.{detail}") or _BY_ENHANCED.get(f"{subject}.*")
