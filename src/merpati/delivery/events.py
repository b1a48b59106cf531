"""The events that attempts and settlements without an attempt write into the journal. Pure."""

from __future__ import annotations

from typing import NamedTuple

from merpati.contracts.event import SUPPRESSED_TEXT, Event, EventType, Settlement
from merpati.delivery.outcome import Bounced, Deferred, Delivered, Reply
from merpati.providers.bounce_class import BounceClass
from merpati.providers.replies import read_own
from merpati.spool.shapes import Cancellation, SpooledMessage


class Way(NamedTuple):
    """By which way an attempt went; remote: the far end, "host[address]:port".

    egress: the old provider's name; then no sending IP of ours is told, since none answers for it.
    rests: the answer had next to nothing more go this way for a while.
    """

    ip_pool: str = ""
    sending_ip: str = ""
    provider: str = ""
    remote: str = ""
    is_encrypted: bool = False
    egress: str = ""
    rests: bool = False


NO_WAY = Way()


class Attempt(NamedTuple):
    """One try for one message, or its end without one. at: milliseconds since the epoch."""

    row: SpooledMessage
    rcpt_to: str
    at: int
    way: Way = NO_WAY
    size_bytes: int = 0


def delivered(attempt: Attempt, outcome: Delivered) -> Event:
    """Return the event of a message that was taken."""
    return _event(attempt, EventType.DELIVERY, Settlement.DELIVERED, outcome.reply, 0)


def bounced(
    attempt: Attempt, outcome: Bounced, settlement: Settlement = Settlement.BOUNCED
) -> Event:
    """Return the event of a message that was refused, or given up, for good."""
    bounce_class = int(outcome.bounce_class)
    cause = outcome.reading.cause if outcome.reading is not None else ""
    return _event(attempt, EventType.BOUNCE, settlement, outcome.reply, bounce_class, cause=cause)


def delayed(attempt: Attempt, outcome: Deferred) -> Event:
    """Return the event of an attempt that came to nothing yet; code 0 when no reply came."""
    reply = outcome.reply or Reply(0, None, outcome.reason)
    reading = outcome.reading or read_own(outcome.reason)
    bounce_class = int(reading.bounce_class)
    return _event(attempt, EventType.DELAY, None, reply, bounce_class, cause=reading.cause)


def not_generated(attempt: Attempt, reason: str) -> Event:
    """Return the event of a message that could not be made."""
    reply = Reply(554, "5.3.3", f"[internal] {reason}")
    bounce_class = int(BounceClass.ADMIN_FAILURE)
    return _event(attempt, EventType.GENERATION_FAILURE, Settlement.FAILED, reply, bounce_class)


def expiry(last: str) -> Bounced:
    """Return what a message comes to whose life ends; last: the last transient failure's words."""
    text = f"[internal] message timeout (last transfail: {last or 'none'})"
    return Bounced(BounceClass.TIMEOUT, Reply(554, "5.4.7", text))


def cancelled(wanted: Cancellation) -> Bounced:
    """Return what mail comes to that was cancelled before it was sent (sparkpost-api 3.5)."""
    what = "Transmission" if wanted.transmission_id else "Campaign"
    return _by_our_policy(f"[internal] {what} cancelled")


def dropped(reason: str) -> Bounced:
    """Return what mail comes to that is too late to be of use."""
    return _by_our_policy(f"[internal] {reason}")


def suppressed(source: str) -> Bounced:
    """Return what mail comes to whose recipient was suppressed while it waited."""
    return _by_our_policy(SUPPRESSED_TEXT.format(source=source))


def account_gone() -> Bounced:
    """Return what mail of a closed account comes to."""
    return _by_our_policy("[internal] the account is closed")


def _by_our_policy(text: str) -> Bounced:
    return Bounced(BounceClass.ADMIN_FAILURE, Reply(554, "5.7.1", text))


def _event(
    attempt: Attempt,
    kind: EventType,
    settlement: Settlement | None,
    reply: Reply,
    bounce_class: int,
    *,
    cause: str = "",
) -> Event:
    row, rcpt_to, at, way, size_bytes = attempt
    # Positional, since this runs once a message: keywords cost as much again.
    return Event(
        kind,
        at,
        row.account_id,
        row.message_id,
        row.transmission_id,
        row.injected_at,
        rcpt_to,
        settlement,
        way.ip_pool,
        way.sending_ip,
        way.provider,
        way.remote,
        reply.code,
        reply.enhanced or "",
        reply.text,
        bounce_class,
        row.attempts,
        size_bytes,
        way.is_encrypted,
        way.egress,
        cause,
        way.rests,
    )
