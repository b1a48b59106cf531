"""Mailbox providers as people call them."""

from __future__ import annotations

from django.utils.translation import get_language, gettext

from merpati.providers.texts import short_name
from merpati.reputation.migration_plan import OTHER


def provider_name(provider: str) -> str:
    """Return the name of a provider that is known, else its domain."""
    if provider == OTHER:
        return gettext("all others")
    return short_name(provider, get_language() or "en")
