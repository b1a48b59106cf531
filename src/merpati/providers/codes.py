"""What the codes of a reply say, where its text says nothing: enhanced status, then basic code.

Source: RFC 3463, 5248, 7372, 7504, 7505, IANA's registry (enhanced codes); RFC 5321 (basic codes);
SparkPost "Bounce Classification Codes" (classes).
"""

from __future__ import annotations

from merpati.providers.bounce_class import BounceClass, Cause
from merpati.providers.phase import Phase

Meaning = tuple[BounceClass, Cause]

_C = BounceClass
UNKNOWN: Meaning = (_C.UNDETERMINED, "unspecified")
_GENERIC: Meaning = (_C.GENERIC, "unspecified")
_NOBODY: Meaning = (_C.INVALID_RECIPIENT, "unknown_user")
_DISABLED: Meaning = (_C.INVALID_RECIPIENT, "disabled_user")
_POLICY: Meaning = (_C.MAIL_BLOCK, "policy")
_AUTH: Meaning = (_C.MAIL_BLOCK, "auth")
_NETWORK: Meaning = (_C.GENERIC, "network")
_PROTOCOL: Meaning = (_C.GENERIC, "protocol")
_DNS: Meaning = (_C.DNS_FAILURE, "dns")
_LATER: Meaning = (_C.TRANSIENT, "temporary")
_FULL: Meaning = (_C.MAILBOX_FULL, "mailbox_full")
_TOO_LARGE: Meaning = (_C.TOO_LARGE, "too_large")

# By subject and detail of the enhanced code ("5.1.1" → "1.1"); "5.*" where the detail is unlisted.
_BY_ENHANCED: dict[str, Meaning] = {
    **dict.fromkeys(("1.0", "1.1", "1.2", "1.3"), _NOBODY),
    "1.4": _GENERIC,
    "1.6": (_C.INVALID_RECIPIENT, "moved"),
    **dict.fromkeys(("1.7", "1.8"), (_C.MAIL_BLOCK, "sender_rejected")),
    "1.10": (_C.INVALID_RECIPIENT, "null_mx"),
    **dict.fromkeys(("2.0", "2.4", "3.3", "3.5"), _GENERIC),
    "2.1": _DISABLED,
    "2.2": _FULL,
    "2.3": _TOO_LARGE,
    **dict.fromkeys(("3.0", "3.2"), _GENERIC),  # as 5yz; as 4yz below
    "3.1": _LATER,
    "3.4": _TOO_LARGE,
    **dict.fromkeys(("4.0", "4.1", "4.2"), _NETWORK),
    **dict.fromkeys(("4.3", "4.4"), _DNS),
    "4.5": _LATER,
    "4.6": (_C.GENERIC, "loop"),
    "4.7": (_C.TIMEOUT, "expired"),
    "5.3": (_C.TRANSIENT, "too_many_rcpt"),
    "5.*": _PROTOCOL,
    "6.0": (_C.MAIL_BLOCK, "rfc"),
    "6.*": _GENERIC,
    **dict.fromkeys(("7.8", "7.9", "7.11", "7.12", "7.26"), _AUTH),
    **dict.fromkeys(("7.10", "7.30"), (_C.MAIL_BLOCK, "tls")),
    **dict.fromkeys(("7.13", "7.17", "7.18"), _DISABLED),
    **dict.fromkeys(("7.15", "7.19"), _GENERIC),
    "7.16": _TOO_LARGE,
    **dict.fromkeys(("7.20", "7.21", "7.22"), (_C.MAIL_BLOCK, "auth_dkim")),
    **dict.fromkeys(("7.23", "7.24"), (_C.MAIL_BLOCK, "auth_spf")),
    "7.25": (_C.MAIL_BLOCK, "ptr"),
    "7.27": (_C.MAIL_BLOCK, "sender_domain"),
    "7.28": (_C.SPAM_BLOCK, "rate"),
    "7.*": _POLICY,
}
_BY_ENHANCED_4YZ = dict.fromkeys(("3.0", "3.2"), _LATER)

_BY_CODE: dict[int, Meaning] = {
    **dict.fromkeys((421, 450, 451, 452, 454), _LATER),
    **dict.fromkeys((455, 500, 501, 502, 503, 504, 555), _PROTOCOL),
    **dict.fromkeys((521, 556), (_C.INVALID_RECIPIENT, "null_mx")),
    **dict.fromkeys((530, 535), _AUTH),
    551: (_C.INVALID_RECIPIENT, "moved"),
    554: _POLICY,
}


def meaning_of_codes(code: int, enhanced: str | None, phase: Phase) -> Meaning:
    """Return what the codes alone say; UNKNOWN when neither says anything."""
    if enhanced and (found := _by_enhanced(code, enhanced)) is not None:
        return found
    at_rcpt = phase is Phase.RCPT
    match code:
        case 550:
            return _GENERIC if at_rcpt else _POLICY
        case 552:
            return _FULL if at_rcpt else _TOO_LARGE
        case 553:
            return _NOBODY if at_rcpt else (_C.MAIL_BLOCK, "sender_rejected")
        case _:
            return _BY_CODE.get(code, UNKNOWN)


def _by_enhanced(code: int, enhanced: str) -> Meaning | None:
    subject, _, detail = enhanced[2:].partition(".")
    key = f"{subject}.{detail}"
    if code // 100 == 4 and (found := _BY_ENHANCED_4YZ.get(key)) is not None:
        return found
    return _BY_ENHANCED.get(key) or _BY_ENHANCED.get(f"{subject}.*")
