"""What the service does not include, and how the desk says so, in the language that is active.

Source: mission clauses C5 (templates, internal projects) and C8 (strategy, Tier 2, placement).
"""

from __future__ import annotations

from enum import StrEnum

from django.utils.translation import gettext, override


class OutOfScope(StrEnum):
    """Work that customers ask for and the service plan excludes."""

    TEMPLATES = "templates"
    INTERNAL_PROJECTS = "internal_projects"
    STRATEGY = "deliverability_strategy"
    TIER_2 = "tier_2_mediation"


def scope_text(topic: OutOfScope, language: str) -> str:
    """Return the polite answer to a request for excluded work."""
    with override(language):
        return f"{_excluded(topic)}\n\n{_included(topic)}"


def _excluded(topic: OutOfScope) -> str:
    match topic:
        case OutOfScope.TEMPLATES:
            return gettext(
                "Thank you for asking. Creating or translating templates is not part of your "
                "service plan, so we cannot take this on."
            )
        case OutOfScope.INTERNAL_PROJECTS:
            return gettext(
                "Thank you for asking. Managing your internal projects is not part of your service "
                "plan, so we cannot take this on."
            )
        case OutOfScope.STRATEGY:
            return gettext(
                "Thank you for asking. Deliverability strategy is not part of your service plan, "
                "so we cannot take this on. Nobody can guarantee inbox placement."
            )
        case OutOfScope.TIER_2:
            return gettext(
                "Thank you for asking. Bespoke (Tier 2) mediation with a mailbox provider is not "
                "part of your service plan, so we cannot take this on."
            )


def _included(topic: OutOfScope) -> str:
    match topic:
        case OutOfScope.TEMPLATES:
            return gettext(
                "We gladly help when a template of yours is refused or looks different from what "
                "you sent: name the message in this case."
            )
        case OutOfScope.INTERNAL_PROJECTS:
            return gettext(
                "We gladly help with the onboarding and with planning how your traffic moves here: "
                "tell us your dates and volumes in this case."
            )
        case OutOfScope.STRATEGY:
            return gettext(
                "We gladly tell you which of our best-practice recommendations are met and which "
                "are not: name the domain or sending IP in this case."
            )
        case OutOfScope.TIER_2:
            return gettext(
                "We gladly submit the provider's standard form for you (Tier 1 mediation) once all "
                "best-practice recommendations are followed: name the provider in this case."
            )
