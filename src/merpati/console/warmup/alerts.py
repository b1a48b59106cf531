"""Alerts in words, in the language that is active."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, ngettext

from merpati.console.moving.refusals import language
from merpati.console.provider_names import provider_name
from merpati.events.alerts import AT_GREETING, Kind
from merpati.events.models import Alert
from merpati.reputation.share_decision import in_words as share_words


def in_words(alert: Alert) -> str:
    """Return what happened, and what was done about it."""
    facts: dict[str, Any] = dict(alert.facts)
    if "provider" in facts:
        facts["provider"] = provider_name(str(facts["provider"]))
    match Kind(alert.kind):
        case Kind.PROVIDER_BLOCK if AT_GREETING in facts:
            return (
                gettext(
                    "%(provider)s refuses connections from %(sending_ip)s before any mail: it may "
                    "want to know the address first. Nothing more goes there until midnight UTC; "
                    "all other providers go on."
                )
                % facts
            )
        case Kind.PROVIDER_BLOCK:
            return (
                ngettext(
                    "%(provider)s blocks mail from %(sending_ip)s: %(blocked)s of %(attempted)s "
                    "attempt of the day was refused. Nothing more goes there until midnight "
                    "UTC; all other providers go on.",
                    "%(provider)s blocks mail from %(sending_ip)s: %(blocked)s of %(attempted)s "
                    "attempts of the day were refused. Nothing more goes there until midnight "
                    "UTC; all other providers go on.",
                    facts["attempted"],
                )
                % facts
            )
        case Kind.MIGRATION_HELD:
            words = gettext("The move from the old provider holds itself back at %(provider)s.")
            why = share_words(alert.facts["share_kind"], alert.facts, language())
            return f"{words % facts} {why}"
        case Kind.WARMUP_STALLED:
            return (
                gettext(
                    "The warm-up of %(sending_ip)s stood at stage %(stage)s for ten days, so it "
                    "was switched off, as SparkPost does."
                )
                % facts
            )
