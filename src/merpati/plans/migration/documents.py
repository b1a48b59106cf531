"""Migrations as documents: what `--json` prints and the API answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from merpati.plans.migration.progress import CellProgress
from merpati.plans.migration.report import Report
from merpati.plans.models import Migration, MigrationDay
from merpati.reputation.share_decision import in_words
from merpati.reputation.words import Language


def migration_document(migration: Migration) -> dict[str, Any]:
    """Return what a migration is and where it stands."""
    return {
        "id": migration.pk,
        "account_id": migration.account_id,
        "name": migration.name,
        "state": migration.state,
        "reason": migration.reason or None,
        "starts_on": migration.starts_on,
        "egress": migration.egress.name if migration.egress else None,
        "on_spent": migration.on_spent,
        "on_block": migration.on_block,
        "when_old_fails": migration.when_old_fails,
        "created_by": migration.created_by,
        "created_at": migration.created_at,
        "started_at": migration.started_at,
        "ended_at": migration.ended_at,
    }


def progress_document(
    cells: Sequence[CellProgress], today: date, language: Language = "en"
) -> list[dict[str, Any]]:
    """Return each cell with its share, why it is so, and the days until today."""
    return [
        {
            "pool": one.cell.pool,
            "provider": one.cell.provider,
            "messages_per_day": one.cell.messages_per_day,
            "target_per_day": one.cell.target_per_day,
            "share_percent": one.cell.share / 100,
            "held_because": one.cell.held_because or None,
            "reason": reason_words(latest_decision(one, today), language),
            "done": {
                "early": one.cell.done_early,
                "likely": one.cell.done_likely,
                "late": one.cell.done_late,
            },
            "days": [_day(one, day, language) for day in one.days if day.day <= today],
        }
        for one in cells
    ]


def latest_decision(one: CellProgress, today: date) -> MigrationDay | None:
    """Return the day that was decided last, up to today."""
    return next((day for day in reversed(one.days) if day.kind and day.day <= today), None)


def reason_words(day: MigrationDay | None, language: Language) -> str | None:
    """Return why a day's share is what it is."""
    return in_words(day.kind, day.facts, language) if day and day.kind else None


def report_document(report: Report) -> dict[str, Any]:
    """Return the cut-over report."""
    return {
        "ready": report.is_ready,
        "since": report.since,
        "until": report.until,
        "criteria": [
            {
                "criterion": finding.criterion.value,
                "met": finding.is_met,
                "percent": None if finding.share is None else round(100 * finding.share, 3),
                "limit_percent": round(100 * finding.limit, 3),
            }
            for finding in report.findings
        ],
        "sent_from_here": report.ours,
        "sent_by_old_provider": report.old,
        "refused": report.refused,
    }


def _day(one: CellProgress, day: MigrationDay, language: Language) -> dict[str, Any]:
    sent = one.on(day.day)
    return {
        "day": day.day,
        "planned": day.planned,
        "share_percent": None if day.share is None else day.share / 100,
        "allowance": day.allowance,
        "attempted": sent.attempted,
        "sent_from_here": sent.ours,
        "sent_by_old_provider": sent.old,
        "refused": sent.refused,
        "complaints": sent.complaints,
        "reason": reason_words(day, language),
    }
