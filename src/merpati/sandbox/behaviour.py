"""What becomes of mail to a recipient of the sandbox: the local part says it, `defer-2@…`.

A number at the end says for how many tries this is so, `slow` and `greylist` take it as seconds;
without one it is so for ever. What follows a plus sign only tells
recipients apart: `defer-2+sari@…`. Any other local part is accepted. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from merpati.sandbox.texts import Moment, Text, Texts

SLOW_SECONDS = 1.0  # for each byte of a reply
GREYLIST_SECONDS = 60.0
LONGEST_NUMBER = 6  # digits

_NAME = re.compile(rf"([a-z]+(?:-[a-z]+)?)(?:-(\d{{1,{LONGEST_NUMBER}}}))?")


@dataclass(frozen=True, slots=True)
class Refuse:
    """Give a reply that refuses. times: the first so many tries, None for each."""

    at: Moment
    reply: str
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Greylist:
    """Refuse a sending IP, sender and recipient never seen together, until `seconds` later."""

    reply: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Slow:
    """Give this and all further replies byte by byte."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection without a word. times: as for `Refuse`."""

    at: Moment
    times: int | None = None


DEFERRAL = "451 4.3.0 Try again later"
Step = Refuse | Greylist | Slow | HangUp

HANG_UPS = {
    "drop": Moment.DATA,
    "drop-message": Moment.MESSAGE,
    "drop-dot": Moment.DOT,
}
# For people: `merpati sandbox --help`, the how-to; a test holds them to what `steps` does.
NAMES = {
    "accept": "takes the mail, as any other name does",
    "defer": "451 for now; defer-2 twice, then it takes the mail",
    "tempfail": "the provider's own words for a fault of its own",
    "rate": "the provider's own words for too fast",
    "block": "the provider's own words for a bad reputation of the sending IP",
    "spam": "the provider's own words for content it does not like",
    "reject": "no such user",
    "full": "the mailbox is full",
    "greylist": "refuses until a minute later; greylist-300 five minutes",
    "slow": "a second for each byte of its replies; slow-60 a minute",
    "drop": "hangs up at DATA",
    "drop-message": "hangs up amid the message",
    "drop-dot": "hangs up after the whole message, without an answer",
}


def steps(rcpt_to: str, texts: Texts) -> list[Step]:
    """Return what happens to mail for a recipient, in the order of the dialogue."""
    found = _NAME.fullmatch(rcpt_to.partition("@")[0].partition("+")[0].lower())
    if found is None:
        return []
    name, number = found[1], int(found[2]) if found[2] else None
    step: Step
    match name:
        case "defer":
            step = Refuse(Moment.RCPT, DEFERRAL, number)
        case "greylist":
            step = Greylist(texts.greylist.reply, GREYLIST_SECONDS if number is None else number)
        case "slow":
            step = Slow(SLOW_SECONDS if number is None else number)
        case "tempfail" | "rate" | "block" | "spam" | "reject" | "full":
            text: Text = getattr(texts, name)
            step = Refuse(text.at, text.reply, number)
        case _ if name in HANG_UPS:
            step = HangUp(HANG_UPS[name], number)
        case _:
            return []
    return [step]
