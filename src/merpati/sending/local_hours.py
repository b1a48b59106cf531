"""Local hours of a transmission: the wish read, and the moment each recipient's mail leaves.

A recipient without a time zone, or with one that does not exist, is mailed by the transmission's,
else by that of the account's Service Time Zone; how many that were is told in the answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from merpati.adapters.holiday_lists import is_place
from merpati.adapters.time_zones import country_of, find_zone
from merpati.contracts.batch import LocalHours, Recipient
from merpati.message.local_time import is_quiet, leaves_at
from merpati.sending.injection_errors import FieldInvalid, FieldMissing

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RECIPIENT = "recipient"
ZONE_CHARACTERS = 64
MOST_NAMED = 20  # zones in an answer, of each kind

_FIELD = "options.local_time"
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The wish as its sender wrote it; None for what was not given.

    quiet_hours: from and to. holidays: a country or part of one, or `RECIPIENT` for the country of
    each recipient's time zone.
    """

    at: str | None = None
    quiet_hours: tuple[str | None, str | None] | None = None
    days: Sequence[str] | None = None
    time_zone: str | None = None
    holidays: str | None = None


@dataclass(frozen=True, slots=True)
class LocalTimeTold:
    """What became of the wish: when the first and the last message leave, and by whose clock.

    unplaced: recipients that are mailed by the fallback `time_zone`, by the zone they gave, "" for
    none. without_holidays: recipients of whose zone's country no holidays are known, by zone.
    """

    first_at: datetime
    last_at: datetime
    time_zone: str
    unplaced: dict[str, int]
    without_holidays: dict[str, int]


@dataclass(slots=True)
class LocalPlan:
    """Gives each recipient of one transmission their moment, and keeps count.

    by_country: holidays are those of the country that each zone is named for.
    """

    hours: LocalHours
    fallback: ZoneInfo
    not_before: datetime
    by_country: bool = False
    _moments: dict[ZoneInfo, tuple[LocalHours, int]] = field(default_factory=dict)
    _unplaced: Counter[str] = field(default_factory=Counter)
    _without_holidays: Counter[str] = field(default_factory=Counter)

    def placed(self, recipient: Recipient) -> tuple[Recipient, int]:
        """Return a recipient with zone and hours, and when their mail leaves (milliseconds)."""
        given = recipient.time_zone
        zone = find_zone(given) if given else None
        if zone is None:
            zone = self.fallback
            self._unplaced[given] += 1
        found = self._moments.get(zone)
        if found is None:
            found = self._moments[zone] = self._in(zone)
        hours, leaves = found
        if self.by_country and not hours.holidays:
            self._without_holidays[zone.key] += 1
        return msgspec.structs.replace(recipient, time_zone=zone.key, hours=hours), leaves

    def _in(self, zone: ZoneInfo) -> tuple[LocalHours, int]:
        hours = self.hours
        if self.by_country and is_place(country := country_of(zone.key)):
            hours = msgspec.structs.replace(hours, holidays=country)
        return hours, round(leaves_at(hours, zone, self.not_before).timestamp() * 1000)

    def told(self, moments: Sequence[int]) -> LocalTimeTold:
        """Return what became of the wish. moments: of those who are mailed."""
        first, last = (
            datetime.fromtimestamp(at / 1000, UTC) for at in (min(moments), max(moments))
        )
        return LocalTimeTold(
            first,
            last,
            self.fallback.key,
            dict(self._unplaced.most_common(MOST_NAMED)),
            dict(self._without_holidays.most_common(MOST_NAMED)),
        )


def plan(
    wish: LocalTime, account_zone: str, not_before: datetime, *, transactional: bool
) -> LocalPlan:
    """Return the plan of a transmission. Raises FieldInvalid, FieldMissing, naming the field.

    account_zone: the fallback where the wish names none. transactional: such mail keeps to its
    hours at first, and is tried again whatever the hour.
    """
    hours = LocalHours(
        at=None if wish.at is None else _minute(wish.at, f"{_FIELD}.at"),
        quiet_from=_quiet(wish.quiet_hours, 0, "from"),
        quiet_to=_quiet(wish.quiet_hours, 1, "to"),
        days=_days(wish.days),
        is_kept=not transactional,
        holidays=_holidays(wish.holidays),
    )
    by_country = hours.holidays == RECIPIENT
    if hours == LocalHours(is_kept=hours.is_kept) and wish.days is None:
        raise FieldMissing(f"{_FIELD} needs at, quiet_hours, days or holidays", field=_FIELD)
    if by_country:
        hours = msgspec.structs.replace(hours, holidays="")
    if hours.quiet_from is not None and hours.quiet_from == hours.quiet_to:
        raise FieldInvalid(
            f"{_FIELD}.quiet_hours: from and to must differ", field=f"{_FIELD}.quiet_hours"
        )
    if hours.at is not None and is_quiet(hours, hours.at):
        raise FieldInvalid(f"{_FIELD}.at lies within the quiet_hours", field=f"{_FIELD}.at")
    name = wish.time_zone.strip() if wish.time_zone else account_zone
    zone = find_zone(name)
    if zone is None:
        raise FieldInvalid(
            f"{_FIELD}.time_zone: there is no time zone '{name[:ZONE_CHARACTERS]}'; write it as "
            "Asia/Jakarta",
            field=f"{_FIELD}.time_zone",
        )
    return LocalPlan(hours, zone, not_before, by_country)


def _quiet(given: tuple[str | None, str | None] | None, index: int, name: str) -> int | None:
    if given is None:
        return None
    text, where = given[index], f"{_FIELD}.quiet_hours.{name}"
    if text is None:
        raise FieldMissing(f"{where} is a required field", field=where)
    return _minute(text, where)


def _minute(text: str, where: str) -> int:
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise FieldInvalid(f"{where} must be HH:MM, from 00:00 to 23:59", field=where)
    return int(match[1]) * 60 + int(match[2])


def _holidays(given: str | None) -> str:
    if given is None:
        return ""
    text = given.strip()
    if text.lower() == RECIPIENT:
        return RECIPIENT
    if not is_place(text.upper()):
        where = f"{_FIELD}.holidays"
        raise FieldInvalid(
            f"{where}: no holidays are known of '{text[:ZONE_CHARACTERS]}'; write a country as ID, "
            f"a part of one as US-CA, or {RECIPIENT} for that of each recipient's time zone",
            field=where,
        )
    return text.upper()


def _days(given: Sequence[str] | None) -> tuple[int, ...]:
    if given is None:
        return ()
    where = f"{_FIELD}.days"
    names = {name.strip().lower() for name in given}
    if not names or not names <= set(DAYS):
        raise FieldInvalid(f"{where} must be some of {', '.join(DAYS)}", field=where)
    return tuple(index for index, name in enumerate(DAYS) if name in names)
