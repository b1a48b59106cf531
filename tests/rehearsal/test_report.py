"""The page of a rehearsal: which days it tells of, in which words, and what it says of none."""

from __future__ import annotations

from typing import Any

import pytest

from merpati.rehearsal.day_words import notable, who, why
from merpati.rehearsal.report import report
from merpati.rehearsal.result import PlayedDay, PlayedStream, Result, Turn


def day(number: int = 1, **given: Any) -> PlayedDay:
    usual: dict[str, Any] = {
        "day": f"2030-01-{number:02}",
        "wanted": 100,
        "share": 5_000,
        "share_kind": "risen",
        "share_facts": {"per_cent": "50", "before": "40", "allowance": 60},
        "planned": 50,
        "moved": 50,
        "engaged_within": None,
        "allowance": 60,
        "tolerance": 80,
        "kind": "growing",
        "facts": {"before": 40, "messages": 60, "tolerated": 80},
        "turns": [],
    }
    return PlayedDay(**usual | given)


def result(*days: PlayedDay) -> Result:
    stream = PlayedStream(
        pool="news <1>", provider="Y", sending_ips=["news 1"], messages_per_day=100, days=list(days)
    )
    return Result(
        plan="plan", providers="p.toml", starts_on="2030-01-01", days=len(days), seed=1,
        streams=[stream], messages=100,
    )  # fmt: skip


STOPPED = Turn(3_600_000 * 14, "127.1.0.1", 0, "stopped", {"deferred": 9, "attempted": 20})
BLOCKED = {
    "share_kind": "by_block",
    "share_facts": {"per_cent": "50", "blocked": 2, "attempted": 9},
}


@pytest.mark.parametrize(
    ("given", "is_told"),
    [
        pytest.param({}, False, id="forward"),
        pytest.param({"allowance": 59}, True, id="less allowed than the day before"),
        pytest.param({"turns": [STOPPED]}, True, id="another pace"),
        pytest.param(BLOCKED, True, id="held"),
        pytest.param({"deferred": 3}, False, id="a few deferrals"),
    ],
)
def test_the_days_that_went_otherwise_are_told(given: dict[str, Any], is_told: bool) -> None:
    days = [day(1), day(2, **given)]
    assert notable(days) == ([1] if is_told else [])
    page = report(result(*days), "en")
    assert ("What held it up" in page) is is_told
    assert ("Nothing held it up" in page) is not is_told
    assert page.count('<path class="mark"') == is_told


def test_a_reason_tells_of_allowance_share_and_pace() -> None:
    words = why(day(turns=[STOPPED, STOPPED], **BLOCKED), "en")
    assert "from 40 to 60 messages" in words
    assert "the provider blocked 2 of 9 attempts" in words
    assert words.count("14:00 ") == 1


def test_who_is_written_to_is_told_where_it_changes() -> None:
    days = [day(1, engaged_within=30), day(2, engaged_within=30), day(3)]
    words = who(days, "en")
    assert words.count("From day") == 2
    assert "From day 1 on only those who have moved and engaged within the last 30 days" in words
    assert "From day 3 on everybody" in words
    assert who([day(1)], "en") == ""


def test_a_reason_stands_once_and_everything_is_escaped() -> None:
    page = report(result(day(1), day(2), day(3, **BLOCKED)), "en")
    assert page.count("<td class=why") == 2
    assert "news <1>" not in page
    assert "news &lt;1&gt; → Y" in page


def test_without_any_mail_the_page_is_whole() -> None:
    nothing = {"kind": "", "facts": {}, "share_kind": "no_ips", "share_facts": {}, "share": 0}
    none = dict.fromkeys(("planned", "moved", "allowance", "tolerance"), 0)
    page = report(result(day(1, **nothing, **none)), "id")
    assert "Tidak ada yang pindah" in page
