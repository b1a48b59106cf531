"""What the order form excludes, and the record that the customer acknowledged it.

The words are kept with the record: what somebody agreed to does not change when we word it anew.

Source: mission clauses C5 (templates, internal projects), C8 (strategy, Tier 2, placement).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.utils.translation import gettext, override

from merpati.accounts import audit
from merpati.accounts.actions import open_account
from merpati.accounts.errors import InvalidOrder
from merpati.accounts.models import Language, OrderAcknowledgement, User


class Exclusion(StrEnum):
    """What the service plan does not include; the desk's answers to it: `desk/scope.py`."""

    TEMPLATES = "templates"
    INTERNAL_PROJECTS = "internal_projects"
    STRATEGY = "deliverability_strategy"
    TIER_2 = "tier_2_mediation"
    PLACEMENT = "inbox_placement"


def wording(exclusion: Exclusion, language: str) -> str:
    """Return an exclusion as customers read it."""
    with override(language):
        match exclusion:
            case Exclusion.TEMPLATES:
                return gettext("Creating or translating your templates is not included.")
            case Exclusion.INTERNAL_PROJECTS:
                return gettext("Managing your internal projects is not included.")
            case Exclusion.STRATEGY:
                return gettext("Deliverability strategy is not included.")
            case Exclusion.TIER_2:
                return gettext("Bespoke (Tier 2) mediation with mailbox providers is not included.")
            case Exclusion.PLACEMENT:
                return gettext(
                    "Inbox placement cannot be guaranteed: it depends on many conditions, "
                    "practices and reputation issues outside our control."
                )


def outstanding(account_id: int) -> list[Exclusion]:
    """Return what the account has not acknowledged yet. One query."""
    records = OrderAcknowledgement.objects.filter(account_id=account_id)
    known = {name for wordings in records.values_list("wordings", flat=True) for name in wordings}
    return [exclusion for exclusion in Exclusion if exclusion not in known]


def acknowledge(
    account_id: int,
    exclusions: Iterable[str],
    *,
    language: str,
    acknowledged_by: str,
    by: str,
    now: datetime,
    user: User | None = None,
) -> OrderAcknowledgement:
    """Record that a customer acknowledged exclusions: which, when, who, in which language.

    acknowledged_by: the person, as "Sari <sari@kirim.example>"; user: None for a form on paper.
    Raises AccountNotFound, AccountClosed, InvalidOrder.
    """
    named = list(dict.fromkeys(exclusions))
    if unknown := [name for name in named if name not in set(Exclusion)]:
        raise InvalidOrder(
            f"There is no exclusion {unknown[0]!r}; there are: {', '.join(Exclusion)}.",
            "exclusions",
        )
    if not named:
        raise InvalidOrder("Name one exclusion at least.", "exclusions")
    if language not in Language.values:
        raise InvalidOrder(
            f"There is no language {language!r}; offered: {', '.join(Language.values)}.", "language"
        )
    person = acknowledged_by.strip()
    if not person or len(person) > 500 or not person.isprintable():
        raise InvalidOrder(
            "Say who acknowledged: 1 to 500 printable characters.", "acknowledged_by"
        )
    with transaction.atomic():
        account = open_account(account_id)
        record = OrderAcknowledgement.objects.create(
            account=account,
            wordings={name: wording(Exclusion(name), language) for name in named},
            language=language,
            acknowledged_by=person,
            user=user,
            acknowledged_at=now,
        )
        audit.record(
            "acknowledge_exclusions",
            account.name,
            by=by,
            now=now,
            account_id=account_id,
            exclusions=named,
            language=language,
            acknowledged_by=person,
        )
    return record
