"""Outlooks in words, in the language that is active."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from django.utils.formats import date_format, number_format
from django.utils.translation import get_language, gettext, ngettext, ngettext_lazy

from merpati.events.outlook import Held, Part
from merpati.events.outlook_lane import SLOT_MS
from merpati.providers.texts import short_name

if TYPE_CHECKING:
    from merpati.events.campaign_outlook import Outlook

MOST_SAID = 5  # parts that a sentence speaks of, those that leave last


_WORDS = {
    Held.ALLOWANCE: ngettext_lazy(
        "%(count)s message waits for the allowance at %(provider)s",
        "%(count)s messages wait for the allowance at %(provider)s",
        "number",
    ),
    Held.ENGAGEMENT: ngettext_lazy(
        "%(count)s message at %(provider)s waits until its IPs are warm: they take those "
        "who engaged more recently",
        "%(count)s messages at %(provider)s wait until their IPs are warm: they take those "
        "who engaged more recently",
        "number",
    ),
    Held.PACE: ngettext_lazy(
        "%(count)s message waits for the pace that %(provider)s bears",
        "%(count)s messages wait for the pace that %(provider)s bears",
        "number",
    ),
    Held.PAUSE: ngettext_lazy(
        "%(count)s message waits, since replies of %(provider)s ask for a pause",
        "%(count)s messages wait, since replies of %(provider)s ask for a pause",
        "number",
    ),
    Held.OLD_PACE: ngettext_lazy(
        "%(count)s message to %(provider)s waits for the pace of the old provider",
        "%(count)s messages to %(provider)s wait for the pace of the old provider",
        "number",
    ),
    Held.ORDER: ngettext_lazy(
        "%(count)s message to %(provider)s is paused by order",
        "%(count)s messages to %(provider)s are paused by order",
        "number",
    ),
    Held.NO_WAY: ngettext_lazy(
        "%(count)s message to %(provider)s waits for a sending IP",
        "%(count)s messages to %(provider)s wait for a sending IP",
        "number",
    ),
    Held.SCHEDULE: ngettext_lazy(
        "%(count)s message to %(provider)s is scheduled",
        "%(count)s messages to %(provider)s are scheduled",
        "number",
    ),
    Held.LOCAL_HOUR: ngettext_lazy(
        "%(count)s message to %(provider)s waits for its recipient's local hour",
        "%(count)s messages to %(provider)s wait for their recipients' local hour",
        "number",
    ),
    Held.QUIET_HOURS: ngettext_lazy(
        "%(count)s message to %(provider)s waits for the end of its recipient's quiet "
        "hours or free days",
        "%(count)s messages to %(provider)s wait for the end of their recipients' quiet "
        "hours or free days",
        "number",
    ),
    Held.RETRY: ngettext_lazy(
        "%(count)s message to %(provider)s was deferred and is tried again",
        "%(count)s messages to %(provider)s were deferred and are tried again",
        "number",
    ),
}
_FOR_TOMORROW = ngettext_lazy(
    "%(count)s message waits for tomorrow's allowance at %(provider)s",
    "%(count)s messages wait for tomorrow's allowance at %(provider)s",
    "number",
)
_SCHEDULED = {Held.SCHEDULE, Held.LOCAL_HOUR, Held.QUIET_HOURS, Held.RETRY}


def sentence(found: Outlook, zone: tzinfo = UTC) -> str:
    """Return when the last leaves and what holds it, as one says it."""
    if not found.parts:
        return gettext("nothing of this campaign waits")
    held = [reason(part, zone) for part in found.holding]
    more = len(held) - MOST_SAID
    said = [when(found, zone), *([] if found.is_stopped else held[:MOST_SAID])]
    if more > 0 and not found.is_stopped:
        said.append(gettext("and %(count)s more") % {"count": more})
    return "; ".join(said)


def when(found: Outlook, zone: tzinfo = UTC) -> str:
    """Return how much waits and when the last of it leaves."""
    facts = {"count": _digits(found.messages), "why": found.suspended or found.on_hold}
    if found.suspended:
        words = ngettext(
            "%(count)s message waits: the account is suspended: %(why)s",
            "%(count)s messages wait: the account is suspended: %(why)s",
            found.messages,
        )
    elif found.on_hold:
        words = ngettext(
            "%(count)s message waits: all delivery is held: %(why)s",
            "%(count)s messages wait: all delivery is held: %(why)s",
            found.messages,
        )
    elif found.last_at is None or found.earliest_at is None:
        words = ngettext(
            "when %(count)s message leaves is not to be foreseen",
            "when the last of %(count)s messages leaves is not to be foreseen",
            found.messages,
        )
    elif found.last_at <= found.now:
        words = ngettext(
            "%(count)s message leaves now", "%(count)s messages leave now", found.messages
        )
    elif is_sure(found.earliest_at, found.last_at):
        facts["at"] = moment(found.last_at, zone)
        words = ngettext(
            "%(count)s message leaves %(at)s",
            "the last of %(count)s messages leaves %(at)s",
            found.messages,
        )
    else:
        facts |= {"at": moment(found.earliest_at, zone), "late": moment(found.last_at, zone)}
        words = ngettext(
            "%(count)s message leaves between %(at)s and %(late)s",
            "the last of %(count)s messages leaves between %(at)s and %(late)s",
            found.messages,
        )
    return words % facts


def is_sure(earliest_at: int, last_at: int) -> bool:
    """Return whether two moments are one, as far as an estimate can tell."""
    return abs(last_at - earliest_at) <= SLOT_MS


def reason(part: Part, zone: tzinfo = UTC) -> str:
    """Return what holds a part, as one says it; "" for nothing."""
    if part.held is Held.NOTHING:
        return ""
    messages = part.for_tomorrow if part.held is Held.ALLOWANCE else 0
    count = messages or part.messages
    told = _FOR_TOMORROW if messages else _WORDS[part.held]
    provider = provider_name(part.queue.provider)
    words = told % {"number": count, "count": _digits(count), "provider": provider}
    if part.held in _SCHEDULED and part.last_at is not None:
        last = gettext("the last %(at)s") % {"at": moment(part.last_at, zone)}
        words = f"{words}, {last}"
    return f"{words} ({', '.join(part.sending_ips)})" if part.sending_ips else words


def provider_name(provider: str) -> str:
    """Return a provider as people call it."""
    return short_name(provider, get_language() or "en")


def moment(at: int, zone: tzinfo = UTC) -> str:
    """Return a moment by a zone's clock, which it names."""
    local = datetime.fromtimestamp(at / 1000, zone)
    return f"{date_format(local, 'D j M H:i')} {local:%Z}"


def _digits(count: int) -> str:
    return number_format(count, use_l10n=True, force_grouping=True)
