"""Refusals of migrations in words, in the language that is active."""

from __future__ import annotations

from django.utils.translation import get_language, gettext

from merpati.console.words import MIGRATION_STATE
from merpati.plans.migration.errors import (
    CellNotFound,
    InvalidMigration,
    MigrationError,
    NameTaken,
    NoEgress,
    NoSendingIps,
    NotAllMoved,
    NothingObserved,
    StepNotFound,
    WrongState,
)
from merpati.plans.models import MigrationState
from merpati.reputation.traffic_csv import InvalidTraffic
from merpati.reputation.words import Language
from merpati.sending.errors import EgressNotFound, PoolSplit, ShareWouldFall

REFUSALS = (MigrationError, EgressNotFound, PoolSplit, ShareWouldFall, InvalidTraffic)


def language() -> Language:
    """Return the active language."""
    return "id" if (get_language() or "").startswith("id") else "en"


def in_words(error: Exception) -> list[str]:  # noqa: PLR0911, PLR0912 - one for each kind
    """Return what was refused, why, and what to do: a sentence, or one for each mistake."""
    match error:
        case InvalidTraffic():
            return [problem.in_words(language()) for problem in error.problems]
        case InvalidMigration():
            return [_field(error.field)]
        case NameTaken():
            return [gettext("Another migration has this name; choose another one.")]
        case WrongState():
            return [
                gettext("The migration is in another state by now: %(state)s.")
                % {"state": MIGRATION_STATE[MigrationState(error.state)]}
            ]
        case NoSendingIps():
            return [
                gettext("Pool %(pools)s has no sending IP yet. Ask for one first.")
                % {"pools": ", ".join(error.pools)}
            ]
        case NoEgress() | EgressNotFound():
            return [gettext("The old provider is not set up. Add it under Old providers first.")]
        case NotAllMoved():
            return [
                gettext("Not all recipients have moved yet: %(left)s. Tick the box to end anyway.")
                % {"left": ", ".join(error.left)}
            ]
        case NothingObserved():
            return [gettext("Nothing was sent lately, so paste or choose a CSV.")]
        case StepNotFound():
            return [gettext("The plan has changed meanwhile, and has no such step.")]
        case CellNotFound():
            return [gettext("Choose one of the plan's providers.")]
        case PoolSplit():
            return [
                gettext("Pool %(pool)s belongs to a migration that is not over yet.")
                % {"pool": error.pool}
            ]
        case ShareWouldFall():
            return [
                gettext(
                    "More recipients than that have moved already; only a roll-back moves back."
                )
            ]
        case _:
            return [str(error)]


def _field(field: str) -> str:
    match field:
        case "name":
            return gettext("Give a name of 1 to 100 characters.")
        case "note":
            return gettext("Write at most 500 characters.")
        case "reason":
            return gettext("Say why, in 1 to 500 characters: it is kept with the decision.")
        case "starts_on":
            return gettext("Choose a first day within a year from now.")
        case _:
            return gettext("Write a share of 0 to 100 per cent.")
