"""Why mail waits: what is known as data, and the one place that turns it into a sentence.

Times are milliseconds since the epoch; addresses and replies are data of others: escape them where
they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

import msgspec

from merpati.adapters.clock import Clock
from merpati.contracts.sending_policy import Order
from merpati.delivery.allowance import Allowance
from merpati.delivery.learned_pace import Learned
from merpati.providers.bounce_class import Cause
from merpati.providers.directory import directory

FULL_PERCENT = 100
_FURTHER_NAMES = re.compile(r" / | and |,? \(|, ")  # "Gmail and Google Workspace"


class Said(msgspec.Struct, frozen=True, tag="said"):
    """Something rare enough to be only words."""

    text: str
    until: int | None = None


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """Replies taught to begin nothing at one IP and provider yet. connections: what follows."""

    provider: str
    sending_ip: str
    cause: Cause
    reply: str
    since: int
    until: int
    connections: int
    messages_per_minute: int | None


class Slowed(Paused, frozen=True, tag="slowed"):
    """Replies taught to go slower at one IP and provider; the pace rises at `until`."""


class Ordered(msgspec.Struct, frozen=True, tag="ordered"):
    """The operator, or the account, ordered it. what: "paused", or "drained" for a sending IP."""

    what: str
    subject: str
    by: str
    reason: str
    since: int
    until: int


class BacksOff(msgspec.Struct, frozen=True, tag="backs_off"):
    """Connections failed; the next try is at `until`."""

    reason: str
    until: int


class Spent(msgspec.Struct, frozen=True, tag="allowance_spent"):
    """The warming IPs' allowances of today are used up; percent: what replies left of them.

    provider: at whom, "" when the IPs may send nothing more to anybody; messages: of the day, all
    IPs together.
    """

    sending_ips: tuple[str, ...]
    provider: str
    messages: int
    percent: int
    until: int


class Withheld(msgspec.Struct, frozen=True, tag="allowance_paused"):
    """The plan lets an IP send nothing to a provider for a while; because: in its words."""

    provider: str
    sending_ip: str
    because: str
    until: int


class NotEngaged(msgspec.Struct, frozen=True, tag="not_engaged"):
    """These IPs warm up with recipients who engaged more recently, and there are no others."""

    sending_ips: tuple[str, ...]
    until: None = None


class OldFails(msgspec.Struct, frozen=True, tag="old_provider_fails"):
    """The old provider takes nothing just now; because: in words."""

    egress: str
    because: str
    until: int | None


class NoSendingIp(msgspec.Struct, frozen=True, tag="no_sending_ip"):
    """The pool has none, or none of those it has is on this host."""

    pool: str
    sending_ips: tuple[str, ...]
    until: None = None


class NextAttempt(msgspec.Struct, frozen=True, tag="next_attempt"):
    """All of it was deferred, or is scheduled."""

    until: int


def taught(learned: Learned, key: tuple[str, str], clock: Clock) -> Paused | Slowed:
    """Return the reason of a lane that replies paused or slowed."""
    sending_ip, provider = key
    elapsed = clock.elapsed()
    is_paused = learned.is_paused(elapsed)
    ends_at = learned.paused_until if is_paused else learned.step_at
    until = clock.now() + int((ends_at - elapsed) * 1000)
    return (Paused if is_paused else Slowed)(
        provider,
        sending_ip,
        learned.cause,
        learned.reply,
        learned.since,
        until,
        learned.pace.connections,
        learned.pace.messages_per_minute
        if learned.pace.messages_per_minute != learned.configured.messages_per_minute
        else None,
    )


def ordered(order: Order) -> Ordered:
    """Return the reason of mail that somebody ordered to wait."""
    to = f"mail to {provider_name(order.provider)}" if order.provider else "all mail"
    subject = f"{order.sending_ip} ({to})" if order.sending_ip else to
    what = "drained" if order.drains else "paused"
    return Ordered(what, subject, order.by, order.reason, order.since, order.until)


def spent(allowances: Sequence[Allowance | None]) -> Spent:
    """Return the reason of mail for which no IP has any of today's allowance left."""
    used_up = [allowance for allowance in allowances if allowance is not None]
    providers = {allowance.provider for allowance in used_up}
    return Spent(
        tuple(allowance.address for allowance in used_up),
        providers.pop() if len(providers) == 1 else "",
        sum(allowance.limit for allowance in used_up),
        min(allowance.percent for allowance in used_up),
        max(allowance.next_day_at for allowance in used_up),
    )


Reason = (
    Said
    | Paused
    | Slowed
    | Ordered
    | BacksOff
    | Spent
    | Withheld
    | NotEngaged
    | OldFails
    | NoSendingIp
    | NextAttempt
)

# What a cause means, as "Gmail refuses mail from 192.0.2.10 <words>".
_BLAMES = {
    "ip_reputation": "as of low reputation",
    "domain_reputation": "since the sending domain has a low reputation",
    "blocklist": "since it is on a blocklist",
    "spam_source": "as a source of spam",
    "rate": "as too fast",
    "connection": "as too many connections",
    "unknown_users": "since too many recipients do not exist",
    "greylist": "for the time being",
}


def sentence(reason: Reason, now: int) -> str:
    """Return what a person would say, without the full stop; now: for "in 52 min"."""
    match reason:
        case Said(text):
            words = text
        case Slowed():
            words = f"{_refusal(reason)}: {_pace(reason)} until {moment(reason.until, now)}"
        case Paused():
            until = moment(reason.until, now)
            words = f"{_refusal(reason)}: paused until {until}, then {_pace(reason)}"
        case Ordered(what, subject, by):
            words = f"{subject} is {what} by {by} until {moment(reason.until, now)}"
            words += f": {reason.reason}" if reason.reason else ""
        case BacksOff():
            words = reason.reason
        case Spent() | Withheld() | NotEngaged():
            words = _of_warm_up(reason, now)
        case OldFails(egress, because):
            words = f"the old provider {egress} takes no mail: {because}"
        case NoSendingIp(pool, ()):
            words = f"the pool {pool} has no sending IP"
        case NoSendingIp(pool, addresses):
            words = f"no sending IP of the pool {pool} is on this host: {', '.join(addresses)}"
        case NextAttempt():
            words = "waits for the next attempt"
        case _:
            assert_never(reason)
    return words


def _of_warm_up(reason: Spent | Withheld | NotEngaged, now: int) -> str:
    match reason:
        case Spent(addresses, provider, messages, percent):
            where = f" at {provider_name(provider)}" if provider else ""
            cut = f" ({percent} % of it, after a refusal)" if percent < FULL_PERCENT else ""
            words = (
                f"waits for tomorrow's allowance{where}: {messages:,} of {messages:,} used{cut} "
                f"({', '.join(addresses)})"
            )
        case Withheld(provider, address, because):
            until = moment(reason.until, now)
            words = f"mail from {address} to {provider_name(provider)} is paused until {until}"
            words += f": {because}" if because else ""
        case NotEngaged(addresses):
            words = (
                "waits for a warm sending IP: its recipients engaged too long ago for "
                f"{', '.join(addresses)} while that warms up"
            )
    return words


def instead(reason: Reason, egress: str, now: int) -> str:
    """Return what a person would say where mail does not wait but goes by the old provider."""
    words = sentence(reason, now)
    if isinstance(reason, Spent):
        return words.replace("waits for", f"goes by the old provider {egress} until", 1)
    return f"goes by the old provider {egress}: {words}"


def kind(reason: Reason | None) -> str:
    """Return a reason in one word, for programs; "" for none."""
    return "" if reason is None else str(reason.__struct_config__.tag)


def blame(cause: Cause) -> str:
    """Return a cause as "refuses mail from 192.0.2.10 <words>"."""
    return _BLAMES.get(cause, f"({cause.replace('_', ' ')})")


def provider_name(provider: str) -> str:
    """Return a provider as people call it: "Gmail", or the domain of its MX hosts."""
    known = directory().get(provider)
    return _FURTHER_NAMES.split(known.name, maxsplit=1)[0] if known else provider


def moment(at: int, now: int) -> str:
    """Return "14:05 UTC (52 min)", with the date where it is not today's."""
    when, today = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (at, now))
    shown = when.strftime("%H:%M UTC" if when.date() == today.date() else "%-d %b %H:%M UTC")
    return f"{shown} ({span((at - now) / 1000)})"


def span(seconds: float) -> str:
    """Return a duration in the largest unit of which there are two."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def pace_words(connections: int, per_minute: int | None) -> str:
    """Return a pace as "one connection, 1 message a minute"."""
    words = "one connection" if connections == 1 else f"{connections} connections"
    if per_minute is not None:
        words += f", {per_minute:,} message{'s' * (per_minute != 1)} a minute"
    return words


def _refusal(reason: Paused) -> str:
    name = provider_name(reason.provider)
    return f"{name} refuses mail from {reason.sending_ip} {blame(reason.cause)} ({reason.reply})"


def _pace(reason: Paused) -> str:
    return pace_words(reason.connections, reason.messages_per_minute)
