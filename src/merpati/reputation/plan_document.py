"""A migration plan as a document: what `--json` prints and the API answers."""

from __future__ import annotations

from typing import Any

from merpati.reputation.migration_plan import Cell, MigrationPlan, Pool, Range
from merpati.reputation.milestones import step_words
from merpati.reputation.words import Language, say

_WORDS = "plan_words.toml"


def plan_document(plan: MigrationPlan, language: Language = "en") -> dict[str, Any]:
    """Return a plan that need not be stored: pools, when how much has moved, steps, each day."""
    return {
        "starts_on": plan.starts_on,
        "pools": [_pool(pool) for pool in plan.pools],
        "half": _range(plan.half),
        "most": _range(plan.most),
        "whole": _range(plan.whole),
        "steps": [
            {
                "key": step.key,
                "kind": step.kind.value,
                "due_on": step.due_on,
                "text": step_words(step, language),
            }
            for step in plan.steps
        ],
        "notes": [
            {"kind": note.value, "text": say(_WORDS, note.value, {}, language)}
            for note in plan.notes
        ],
        "providers": [_planned_cell(cell) for cell in plan.cells],
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "pool": pool.name,
        "streams": list(pool.streams),
        "ips": pool.ips,
        "starts_on": pool.starts_on,
    }


def _range(expected: Range) -> dict[str, Any]:
    return {"early": expected.early, "likely": expected.likely, "late": expected.late}


def _planned_cell(cell: Cell) -> dict[str, Any]:
    return {
        "pool": cell.pool,
        "provider": cell.provider,
        "messages_per_day": cell.messages_per_day,
        "target_per_day": cell.target_per_day,
        "done": _range(cell.done),
        "days": [
            {
                "day": day.day,
                "share_percent": day.share / 100,
                "ours": day.ours,
                "ours_low": day.ours_low,
                "ours_high": day.ours_high,
                "old": day.volume - day.ours,
            }
            for day in cell.days
        ],
    }
