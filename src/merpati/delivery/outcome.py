"""What an attempt came to: a type for each case, so that a forgotten one does not type-check.

The unknown defers: no doubt ever loses or bounces mail.

Source: RFC 5321 section 4.2 (replies), RFC 3463 (enhanced codes), facts on stages: a reply before
RCPT concerns our IP or our envelope sender, never the recipient.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from merpati.providers.replies import BounceClass, classify


class Stage(enum.IntEnum):
    """Where in the SMTP dialogue a reply stands."""

    BANNER = 0
    EHLO = 1
    HELO = 2
    MAIL = 3
    RCPT = 4
    DATA = 5
    DOT = 6
    RSET = 7
    QUIT = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's SMTP reply, RFC 5321 section 4.2: `Reply(550, "5.1.1", "No such user")`.

    code: 200 to 599; enhanced: as in RFC 3463, or None when the provider sent none;
    text: lines joined by newlines, enhanced codes taken off, otherwise exactly as received, so
    untrusted: escape it where it is shown.
    """

    code: int
    enhanced: str | None
    text: str

    def __str__(self) -> str:
        """Return the reply on one line, as it is shown in reasons."""
        words = [str(self.code), self.enhanced or "", self.text.replace("\n", " ")]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider took responsibility for the message."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: the message waits for its next attempt. reply: None when no answer came."""

    reason: str
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Bounced:
    """Never: the provider refused this recipient or this message for good."""

    bounce_class: BounceClass
    reply: Reply


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The message was sent whole but its answer never came: it may arrive twice (see settling)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Returned:
    """The connection ended before the provider said anything of this message: no attempt."""

    reason: str


Outcome = Delivered | Deferred | Bounced
Ending = Outcome | Uncertain | Returned


def outcome_of(reply: Reply, stage: Stage) -> Outcome:
    """Return what a reply to RCPT, to DATA or to the final dot means; an unexpected code defers.

    Only the final dot delivers. A refusal before RCPT blames us: it defers, whatever its code.
    """
    match reply.code // 100:
        case 2 if stage is Stage.DOT:
            return Delivered(reply)
        case 5 if stage in _ABOUT_THE_MESSAGE:
            return Bounced(classify(reply.code, reply.enhanced, reply.text, _at_rcpt(stage)), reply)
        case _:
            return Deferred(str(reply), reply)


_ABOUT_THE_MESSAGE = (Stage.RCPT, Stage.DATA, Stage.DOT)


def _at_rcpt(stage: Stage) -> bool:
    return stage is Stage.RCPT
