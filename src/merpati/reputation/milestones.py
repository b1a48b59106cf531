"""A plan's milestones: what is to be done by hand, and when how much is expected to have moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from merpati.providers.texts import in_language
from merpati.reputation.migration_plan import MigrationPlan, Range, Step, Word
from merpati.reputation.words import Language, in_date, say

_WORDS = "plan_words.toml"


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something that is due or expected on a day. key: the same in all languages."""

    key: str
    day: date
    title: str
    detail: str = ""


def milestones_of(plan: MigrationPlan, language: Language) -> list[Milestone]:
    """Return what is to be done by hand, and when how much is expected to have moved, by day."""
    found = [Milestone(step.key, step.due_on, step_words(step, language)) for step in plan.steps]
    for pool in plan.pools:
        title = say(_WORDS, Word.POOL_STARTS.value, {"pool": pool.name}, language)
        found.append(Milestone(f"start-{pool.name}", pool.starts_on, title))
    expectations = (
        (Word.HALF_MOVED, plan.half), (Word.MOST_MOVED, plan.most), (Word.WHOLE_MOVED, plan.whole),
    )  # fmt: skip
    for word, expected in expectations:
        if expected.likely is not None:
            title = say(_WORDS, word.value, {}, language)
            detail = range_words(expected, language)
            found.append(Milestone(word.value, expected.likely, title, detail))
    return sorted(found, key=lambda one: (one.day, one.key))


def step_words(step: Step, language: Language) -> str:
    """Return what is to be done."""
    facts = {
        name: in_language(fact, language) if isinstance(fact, str) else fact
        for name, fact in step.facts.items()
    }
    return say(_WORDS, step.kind.value, facts, language)


def range_words(expected: Range, language: Language) -> str:
    """Return when something is expected, in words."""
    never = say(_WORDS, Word.BEYOND.value, {}, language)
    facts = {
        "early": in_date(expected.early, language) if expected.early else never,
        "likely": in_date(expected.likely, language) if expected.likely else never,
        "late": in_date(expected.late, language) if expected.late else never,
    }
    return say(_WORDS, Word.RANGE.value, facts, language)
