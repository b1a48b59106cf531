"""Engagement: when a recipient last opened or clicked something of an account's.

Fed by an import from the old provider and by the API, later by tracking. While an IP warms up, who
engaged most lately uses it first: injection gives each message its recipient's tier, by one query
a transmission, and by none for accounts that know nothing or have no warming IP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Max, Q

from merpati.accounts import audit
from merpati.adapters.codec import json_text
from merpati.sending import policy
from merpati.sending.errors import EngagementNotFound, InvalidValue
from merpati.sending.models import Engagement, SendingIp
from merpati.sending.suppression_lookup import normal
from merpati.sending.suppression_sql import for_django

ADDRESS_CHARACTERS = 320
WITHIN_DAYS = (7, 30, 60, 90)
"""Tier 1 engaged within the first of these, tier 2 within the second, and so on."""
NEVER = len(WITHIN_DAYS) + 1  # or longer ago

# One query whatever the number of addresses, as in `suppression_sql.AMONG`.
_AMONG = {
    "sqlite": """
        SELECT wanted.value, e.engaged_on
        FROM json_each(?) AS wanted CROSS JOIN sending_engagement AS e
        WHERE e.account_id = ? AND e.recipient = wanted.value
    """,
    "postgresql": """
        SELECT e.recipient, CAST(e.engaged_on AS TEXT)
        FROM sending_engagement AS e
        WHERE e.recipient = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))
          AND e.account_id = %s
    """,
}

_TAKE_THE_LATER = """
    INSERT INTO sending_engagement (account_id, recipient, engaged_on) VALUES (%s, %s, %s)
    ON CONFLICT (account_id, recipient) DO UPDATE SET engaged_on = excluded.engaged_on
    WHERE excluded.engaged_on > sending_engagement.engaged_on
"""


def tier_of(engaged_on: date, today: date) -> int:
    """Return the tier of who engaged on a day: 1 lately, 5 longer than 90 days ago."""
    days = (today - engaged_on).days
    return next((n for n, most in enumerate(WITHIN_DAYS, 1) if days <= most), NEVER)


def tiers_of(account_id: int, addresses: Sequence[str], today: date) -> Mapping[str, int]:
    """Return the tiers of the addresses (as given) of which something is known; one query."""
    database = connections[DEFAULT_DB_ALIAS]  # this thread's
    matched = [normal(address) for address in addresses]
    with database.cursor() as cursor:
        cursor.execute(for_django(_AMONG, database.vendor), [json_text(matched), account_id])
        days = dict(cursor.fetchall())
    return {
        address: tier_of(_day(days[key]), today)
        for address, key in zip(addresses, matched, strict=True)
        if key in days
    }


def knows_engagement(account_id: int) -> bool:
    """Return whether tiers matter to an account: it has data, and an IP that warms up."""
    warming = Q(warms_by_provider=True) | Q(auto_warmup_enabled=True)
    return (
        SendingIp.objects.filter(warming, account_id=account_id).exists()
        and Engagement.objects.filter(account_id=account_id).exists()
    )


def record_engagements(account_id: int, engaged: Iterable[tuple[str, date]]) -> int:
    """Keep when recipients engaged, the later day of two; return how many addresses came.

    For an import, the API and tracking. Addresses: as `checked_engagement` returns them.
    """
    latest: dict[str, date] = {}
    for recipient, day in engaged:
        latest[recipient] = max(day, latest.get(recipient, day))
    if not latest:
        return 0
    with transaction.atomic():
        is_first = not Engagement.objects.filter(account_id=account_id).exists()
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            # In one order, so that two imports at once do not wait for each other in a circle.
            cursor.executemany(
                _TAKE_THE_LATER,
                [(account_id, one, day.isoformat()) for one, day in sorted(latest.items())],
            )
        if is_first:
            policy.bump()  # injection remembers who knows nothing
    return len(latest)


def checked_engagement(recipient: str, engaged_on: date, today: date) -> tuple[str, date]:
    """Return an address and a day as they are kept. Raises InvalidValue."""
    address = normal(recipient)
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or not set(address).isdisjoint(' \t\r\n\x00<>,;"'):
        raise InvalidValue(f"{recipient[:100]!r} is not an email address", "recipient")
    if len(address) > ADDRESS_CHARACTERS:
        raise InvalidValue(f"an address has at most {ADDRESS_CHARACTERS} characters", "recipient")
    if (engaged_on - today).days > 1:  # in other time zones it is tomorrow already
        raise InvalidValue(f"{engaged_on} is in the future (today is {today})", "engaged_on")
    return address, engaged_on


def find_engagement(account_id: int, recipient: str) -> Engagement:
    """Return what is known of a recipient. Raises EngagementNotFound."""
    found = Engagement.objects.filter(account_id=account_id, recipient=normal(recipient)).first()
    if found is None:
        raise EngagementNotFound(recipient)
    return found


def forget_engagement(account_id: int, recipient: str, *, by: str, now: datetime) -> None:
    """Forget when a recipient engaged. Raises EngagementNotFound."""
    with transaction.atomic():
        find_engagement(account_id, recipient).delete()
        audit.record("forget_engagement", normal(recipient), by=by, now=now, account_id=account_id)


def record_import(account_id: int, name: str, count: int, *, by: str, now: datetime) -> None:
    """Keep in the audit trail that a file was imported."""
    with transaction.atomic():
        audit.record(
            "import_engagement", name, by=by, now=now, account_id=account_id, recipients=count
        )


def summary(account_id: int, today: date) -> dict[str, int | str | None]:
    """Return how many recipients are in each tier, and the latest day known."""
    rows = Engagement.objects.filter(account_id=account_id)
    counts: dict[str, int | str | None] = {}
    upper = None
    for tier, days in enumerate((*WITHIN_DAYS, None), 1):
        found = rows if upper is None else rows.filter(engaged_on__lt=upper)
        if days is not None:
            upper = date.fromordinal(today.toordinal() - days)
            found = found.filter(engaged_on__gte=upper)
        counts[f"tier_{tier}"] = found.count()
    latest = rows.aggregate(latest=Max("engaged_on"))["latest"]
    return {
        "recipients": rows.count(),
        **counts,
        "latest": latest.isoformat() if latest else None,
    }


def _day(value: str | date) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)
