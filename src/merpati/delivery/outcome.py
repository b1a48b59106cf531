"""What an attempt came to: a type for each case, so that a forgotten one does not type-check.

The unknown defers: no doubt ever loses or bounces mail.

A reply before RCPT concerns our IP or envelope sender, never the recipient. What a refusal means
is read in `providers/replies.py`.

Source: RFC 5321 section 4.2 (replies), RFC 3463 (enhanced codes).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from merpati.providers.bounce_class import BounceClass
from merpati.providers.phase import Phase
from merpati.providers.replies import Reading, read


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
    STARTTLS = 9
    AUTH = 10


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
    """Not now: the message waits for its next attempt.

    reply and reading (what it means): None when no answer came.
    """

    reason: str
    reply: Reply | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Bounced:
    """Never: the provider refused this recipient or this message for good.

    reading: what the reply means; None where we say so ourselves.
    """

    bounce_class: BounceClass
    reply: Reply
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The message was sent whole but its answer never came: it may arrive twice (see settling)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Returned:
    """The connection ended before the provider said anything of this message: no attempt.

    reply and reading: what it said of us instead, if it did.
    """

    reason: str
    reply: Reply | None = None
    reading: Reading | None = None


Outcome = Delivered | Deferred | Bounced
Ending = Outcome | Uncertain | Returned


def outcome_of(reply: Reply, stage: Stage, provider: str = "") -> Outcome:
    """Return what a reply to a command or to the final dot means; an unexpected code defers.

    Only the final dot delivers. A refusal before RCPT blames us: it defers, whatever its code, and
    so does a 5yz that means "too fast". provider: whose reply it is, as `Destination` names it.
    """
    code = reply.code
    if code // 100 == 2 and stage is Stage.DOT:
        return Delivered(reply)
    reading = read(code, reply.enhanced, reply.text, _phase(stage), provider)
    if code // 100 != 5 or reading.defers:
        return Deferred(str(reply), reply, reading)
    return Bounced(reading.bounce_class, reply, reading)


def _phase(stage: Stage) -> Phase:
    match stage:
        case Stage.RCPT:
            return Phase.RCPT
        case Stage.DATA | Stage.DOT:
            return Phase.MESSAGE
        case _:
            return Phase.BEFORE_RCPT
