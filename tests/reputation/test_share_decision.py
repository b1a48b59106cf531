from __future__ import annotations

from datetime import date

import pytest

from merpati.reputation.demand import Demand
from merpati.reputation.history import Day
from merpati.reputation.migration_plan import WHOLE, Engaged, Pool
from merpati.reputation.share_decision import ShareKind, decide, in_words

DEMAND = Demand(Pool("news", ("news",), 1, date(2026, 12, 1)), "yahoo", 1_000, 1_000, None, None)
GOOGLE = Demand(DEMAND.pool, "google", 10_000, 10_000, None, 2.0)
ENGAGED = Demand(DEMAND.pool, "yahoo", 1_000, 1_000, Engaged(0.1, 0.2, 0.5, 0.8), None)


def _day(attempted: int = 100, **counts: int) -> Day:
    zero = dict.fromkeys(
        ("delivered", "deferred", "blocked", "hard_bounced", "complaints", "human_opens"), 0
    )
    return Day(
        day=date(2026, 12, 5),
        allowance=attempted,
        offered=attempted,
        attempted=attempted,
        **zero | counts,
    )


@pytest.mark.parametrize(
    ("demand", "number", "before", "allowance", "most_before", "yesterday", "held", "answer"),
    [
        pytest.param(DEMAND, 1, 0, 100, 0, None, "", (1_000, ShareKind.RISEN), id="first day"),
        pytest.param(
            DEMAND, 9, 3_000, 100, 0, None, "", (3_000, ShareKind.BY_ALLOWANCE), id="none"
        ),
        pytest.param(DEMAND, 9, 1, 1_000, 0, None, "", (WHOLE, ShareKind.ALL_MOVED), id="all"),
        pytest.param(
            DEMAND, 9, WHOLE, 0, 0, _day(blocked=90), "x", (WHOLE, ShareKind.ALL_MOVED), id="moved"
        ),
        pytest.param(
            DEMAND, 9, 7, 900, 0, _day(blocked=5), "", (7, ShareKind.BY_BLOCK), id="block"
        ),
        pytest.param(
            DEMAND, 9, 7, 900, 0, _day(deferred=11), "", (7, ShareKind.BY_REFUSALS), id="refused"
        ),
        pytest.param(
            DEMAND, 9, 7, 900, 0, _day(deferred=10), "", (9_000, ShareKind.RISEN), id="a few"
        ),
        pytest.param(
            DEMAND,
            9,
            7,
            900,
            0,
            _day(delivered=99, complaints=3),
            "",
            (7, ShareKind.BY_COMPLAINTS),
            id="complaints",
        ),
        pytest.param(DEMAND, 9, 7, 900, 0, None, "TAM", (7, ShareKind.BY_HAND), id="by hand"),
        pytest.param(GOOGLE, 9, 1, 900, 100, None, "", (200, ShareKind.RISEN), id="no doubling"),
        pytest.param(ENGAGED, 9, 0, 100, 0, None, "", (5_000, ShareKind.RISEN), id="engaged first"),
        # Five days before more are let in, the share already fits them.
        pytest.param(ENGAGED, 10, 0, 100, 0, None, "", (2_000, ShareKind.RISEN), id="looks ahead"),
    ],
)
def test_a_share_rises_as_far_as_it_may(
    demand: Demand,
    number: int,
    before: int,
    allowance: int,
    most_before: int,
    yesterday: Day | None,
    held: str,
    answer: tuple[int, ShareKind],
) -> None:
    made = decide(
        demand,
        number,
        before,
        allowance=allowance,
        most_before=most_before,
        yesterday=yesterday,
        held_because=held,
    )
    assert (made.share, made.kind) == answer
    for language in ("en", "id"):
        assert "{" not in in_words(made.kind.value, made.facts, language)


def test_a_reason_says_share_and_cause() -> None:
    made = decide(
        DEMAND, 9, 1_234, allowance=900, most_before=0, yesterday=_day(blocked=60), held_because=""
    )
    assert in_words(made.kind.value, made.facts, "en") == (
        "Stays at 12.34 % of the recipients: the provider blocked 60 of 100 attempts on the day "
        "before."
    )
    assert "12,34 %" in in_words(made.kind.value, made.facts, "id")
