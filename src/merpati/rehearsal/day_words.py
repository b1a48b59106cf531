"""Why a played day went as it did, in words, and which days are worth telling first."""

from __future__ import annotations

import gettext as catalogues
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from merpati.rehearsal.result import PlayedDay, Turn
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words
from merpati.reputation.share_decision import ShareKind
from merpati.reputation.share_decision import in_words as share_words
from merpati.reputation.words import Language

Gettext = Callable[[str], str]

_LOCALE = Path(__file__).parent.parent / "locale"
_MOST_TURNS = 6  # told of one day
_HELD = {
    kind.value for kind in (ShareKind.BY_BLOCK, ShareKind.BY_REFUSALS, ShareKind.BY_COMPLAINTS)
}


@cache
def texts(language: Language) -> Gettext:
    """Return what says a text in a language."""
    return catalogues.translation("django", _LOCALE, [language], fallback=True).gettext


def why(day: PlayedDay, language: Language) -> str:
    """Return why a day's allowance and share were what they were, and what changed within it."""
    if not day.kind:
        return share_words(day.share_kind, day.share_facts, language)
    words = [in_words(Reason(Kind(day.kind), day.facts), language)]
    words.append(share_words(day.share_kind, day.share_facts, language))
    return " ".join([*words, *_turns(day, language)])


def who(days: Sequence[PlayedDay], language: Language) -> str:
    """Return who gets mail from here and from which day on; "" where that is everybody always."""
    gettext = texts(language)
    words, before = [], None
    for number, day in enumerate(days, 1):
        if day.engaged_within == before:
            continue
        before = day.engaged_within
        text = (
            gettext("From day %(number)s on everybody who has moved gets mail from here.")
            if before is None
            else gettext(
                "From day %(number)s on only those who have moved and engaged within the last "
                "%(days)s days get mail from here."
            )
        )
        words.append(text % {"number": number, "days": before})
    return " ".join(words)


def notable(days: Sequence[PlayedDay]) -> list[int]:
    """Return the numbers (from 0) of the days on which something went other than forward."""
    found = []
    for number, day in enumerate(days):
        before = days[number - 1].allowance if number else 0
        if day.allowance < before or day.share_kind in _HELD or _changes(day):
            found.append(number)
    return found


def _changes(day: PlayedDay) -> list[Turn]:
    """Return the changes of pace, without the returns to what the day began with."""
    return [turn for turn in day.turns if turn.kind != day.kind]


def _turns(day: PlayedDay, language: Language) -> list[str]:
    """Return each change of pace once, with the time of the day (UTC)."""
    told: dict[str, None] = {}
    for turn in _changes(day):
        at = f"{turn.at // 3_600_000 % 24:02}:{turn.at // 60_000 % 60:02}"
        told[f"{at} {in_words(Reason(Kind(turn.kind), turn.facts), language)}"] = None
    return list(told)[:_MOST_TURNS]
