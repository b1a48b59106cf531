"""Business hours in words: how a result was counted, in the language that is active.

"Fri 14:10-17:00, closed Sat, Sun and bank holiday Mon (May Day), Tue 09:00-10:10": local times of
the service zone. Within a week the weekday says which day it is; longer accounts carry dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from django.utils.dates import MONTHS_3, WEEKDAYS_ABBR
from django.utils.translation import gettext

from merpati.desk.business_hours import Account, DayCount, Span
from merpati.desk.service_hours import DayKind, Window

_A_WEEK = 7
_FEW = 2  # days that are told one by one


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A day's name and what is said of it; days that say the same can be joined."""

    is_closed: bool
    day: str
    said: str


def account_in_words(account: Account, zone: ZoneInfo) -> str:
    """Return how a result was counted, as one sentence without a full stop."""
    with_dates = len(account) > _A_WEEK
    phrases = [_phrase(count, zone, with_dates) for count in account]
    words: list[str] = []
    for is_closed, group in groupby(phrases, key=lambda phrase: phrase.is_closed):
        days = list(group)
        words += [_closed(days)] if is_closed else _open(days, with_dates)
    return ", ".join(words)


def day_name(on: date, with_date: bool) -> str:
    """Return "Fri", or "Fri 6 Mar"."""
    weekday = str(WEEKDAYS_ABBR[on.weekday()])
    if not with_date:
        return weekday
    # Translators: a day with its date, "Fri 6 Mar"
    return gettext("%(weekday)s %(day)d %(month)s") % {
        "weekday": weekday,
        "day": on.day,
        "month": str(MONTHS_3[on.month]).capitalize(),
    }


def moment_in_words(moment: datetime, zone: ZoneInfo) -> str:
    """Return "Fri 6 Mar 14:10 (GMT)", by the wall clock of a zone."""
    local = moment.astimezone(zone)
    return f"{day_name(local.date(), True)} {local:%H:%M} ({local:%Z})"


def windows_in_words(windows: tuple[Window, ...]) -> str:
    """Return "09:00-12:00 and 13:00-17:00", or that it is closed."""
    return _and([str(window) for window in windows]) or gettext("closed")


def week_in_words(weekly: Sequence[tuple[Window, ...]]) -> str:
    """Return "Mon to Fri 09:00-17:00, Sat and Sun closed"."""
    parts = []
    for windows, days in groupby(range(_A_WEEK), key=lambda weekday: weekly[weekday]):
        names = [str(WEEKDAYS_ABBR[weekday]) for weekday in days]
        if len(names) > _FEW:
            between = {"first": names[0], "last": names[-1]}
            names = [gettext("%(first)s to %(last)s") % between]
        parts.append(f"{_and(names)} {windows_in_words(windows)}")
    return ", ".join(parts)


def _phrase(count: DayCount, zone: ZoneInfo, with_date: bool) -> _Phrase:
    day = count.day
    name = day_name(day.on, with_date)
    note = f" ({day.note})" if day.note else ""
    if count.spans:
        times = _and([_span(span, day.on, zone) for span in count.spans])
        return _Phrase(False, name, f" {times}{note}")
    if day.windows:  # open, but before or after what was counted
        name = gettext("none of %(day)s") % {"day": name}
        return _Phrase(False, name, f" {windows_in_words(day.windows)}{note}")
    if day.kind is DayKind.BANK_HOLIDAY:
        name = gettext("bank holiday %(day)s") % {"day": name}
    return _Phrase(True, name, note)


def _closed(days: Iterable[_Phrase]) -> str:
    listed = _and([phrase.day + phrase.said for phrase in days])
    return gettext("closed %(days)s") % {"days": listed}


def _open(days: Iterable[_Phrase], is_joining: bool) -> Iterator[str]:
    for said, alike in groupby(days, key=lambda phrase: phrase.said):
        names = [phrase.day for phrase in alike]
        if is_joining and len(names) > _FEW:
            between = {"first": names[0], "last": names[-1], "hours": said.strip()}
            yield gettext("%(first)s to %(last)s %(hours)s each") % between
        else:
            yield from (name + said for name in names)


def _span(span: Span, on: date, zone: ZoneInfo) -> str:
    ends = span.ends_at.astimezone(zone)
    # The end of a day is 24:00 of that day, not 00:00 of the next.
    closes = f"{ends:%H:%M}" if ends.date() == on else "24:00"
    return f"{span.starts_at.astimezone(zone):%H:%M}-{closes}"


def _and(words: list[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    # Translators: the last two of a list, "Sat and Sun"
    return gettext("%(all)s and %(last)s") % {"all": ", ".join(words[:-1]), "last": words[-1]}


def open_title(zone: str) -> str:
    """Return what a calendar shows while the desk is open."""
    return gettext("Support open (%(zone)s)") % {"zone": zone}


def closed_title(zone: str, why: str) -> str:
    """Return what a calendar shows on a day on which the desk stays closed."""
    return gettext("Support closed (%(zone)s): %(why)s") % {"zone": zone, "why": why}


def proposed_note() -> str:
    """Return what is said of a bank holiday that nobody has confirmed."""
    return gettext("Proposed; not confirmed yet.")
