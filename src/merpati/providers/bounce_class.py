"""SparkPost's bounce classes, and whom the causes behind them blame.

Source: SparkPost "Bounce Classification Codes".
"""

from __future__ import annotations

import enum

Cause = str  # our finer label of a reply's meaning, a key of replies.toml's scopes


class BounceClass(enum.IntEnum):
    """SparkPost's numeric bounce classes."""

    UNDETERMINED = 1
    INVALID_RECIPIENT = 10
    SOFT = 20
    DNS_FAILURE = 21
    MAILBOX_FULL = 22
    TOO_LARGE = 23
    TIMEOUT = 24
    ADMIN_FAILURE = 25
    NO_RECIPIENT = 30
    GENERIC = 40
    MAIL_BLOCK = 50
    SPAM_BLOCK = 51
    SPAM_CONTENT = 52
    PROHIBITED_ATTACHMENT = 53
    RELAYING_DENIED = 54
    AUTO_REPLY = 60
    TRANSIENT = 70
    SUBSCRIBE = 80
    UNSUBSCRIBE = 90
    CHALLENGE_RESPONSE = 100

    @property
    def is_hard(self) -> bool:
        """Return whether the address is not to be tried again: it is suppressed."""
        return self in _HARD


_HARD = frozenset(
    (BounceClass.INVALID_RECIPIENT, BounceClass.NO_RECIPIENT, BounceClass.UNSUBSCRIBE)
)


class Scope(enum.StrEnum):
    """Whom or what a reply blames; SENDING_IP: that IP at this provider, PLATFORM: ourselves."""

    RECIPIENT = "recipient"
    SENDING_IP = "sending_ip"
    DOMAIN = "domain"
    MESSAGE = "message"
    ORGANISATION = "organisation"
    DESTINATION = "destination"
    PLATFORM = "platform"

    @property
    def is_about_pace(self) -> bool:
        """Return whether replies that blame this change how fast mail goes."""
        return self in _ABOUT_PACE

    @property
    def binds(self) -> bool:
        """Return whether a message deferred for this must not leave by another IP of ours."""
        return self in _BINDING


_ABOUT_PACE = frozenset((Scope.SENDING_IP, Scope.DOMAIN))
_BINDING = _ABOUT_PACE | {Scope.MESSAGE}
