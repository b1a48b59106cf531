from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.providers.directory import directory
from merpati.reputation.migration_plan import Engaged, Flow, Traffic
from merpati.reputation.traffic_csv import (
    MOST_BYTES,
    InvalidTraffic,
    Problem,
    ProblemKind,
    read_traffic,
)

TODAY = date(2026, 11, 27)
HEADER = "stream,provider,messages_per_day\n"
WEEK = "stream,provider,messages_per_day,mon,tue,wed,thu,fri,sat,sun\n"
WIDE = "stream,provider,messages_per_day,target_per_day,starts_on\n"
ENGAGED = "stream,provider,messages_per_day,engaged_7d,engaged_30d,engaged_60d,engaged_90d\n"


def _read(text: str | bytes) -> Traffic:
    data = text.encode() if isinstance(text, str) else text
    return read_traffic(data, directory(), TODAY)


def test_a_file_is_read_with_all_that_it_may_say() -> None:
    text = (
        "Stream,Provider,Messages per day,target_per_day,starts_on,"
        "engaged_7d,engaged_30d,engaged_60d,engaged_90d\n"
        "receipts,gmail.com,40000,50000,2026-12-07,30,55.5,70,80\n"
        "\n"
        "receipts,mail.kirim.example,900,,2026-12-07,,,,\n"
        "news,other,10,10,,,,,\n"
    )
    assert _read(text).flows == (
        Flow(
            stream="receipts",
            provider="google",
            messages_per_day=40_000,
            target_per_day=50_000,
            starts_on=date(2026, 12, 7),
            engaged=Engaged(0.3, 0.555, 0.7, 0.8),
        ),
        Flow(
            stream="receipts",
            provider="kirim.example",
            messages_per_day=900,
            target_per_day=900,
            starts_on=date(2026, 12, 7),
        ),
        Flow(stream="news", provider="other", messages_per_day=10, target_per_day=10),
    )


def test_weekdays_are_read() -> None:
    flow, unknown = _read(
        f"{WEEK}news,google,90,90,80,0070,60,90,25,0\nnews,other,5,,,,,,,\n"
    ).flows
    assert flow.weekdays == (90, 80, 70, 60, 90, 25, 0)
    assert unknown.weekdays is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{HEADER}news,google,5\n".encode(), id="plain"),
        pytest.param(b"\xef\xbb\xbf" + f"{HEADER}news,google,5\n".encode(), id="byte order mark"),
        pytest.param(f"{HEADER}news,google,5".replace(",", ";").encode(), id="semicolons"),
        pytest.param(f"{HEADER}news,google,5\n".replace(",", "\t").encode(), id="tabs"),
        pytest.param(f"{HEADER}news,google,5\n".replace("\n", "\r\n").encode(), id="CRLF"),
    ],
)
def test_what_spreadsheets_write_is_read(data: bytes) -> None:
    flow = Flow(stream="news", provider="google", messages_per_day=5, target_per_day=5)
    assert _read(data).flows == (flow,)


@pytest.mark.parametrize(
    ("data", "line", "field", "kind"),
    [
        pytest.param("", 1, "", ProblemKind.EMPTY, id="empty"),
        pytest.param(HEADER, 1, "", ProblemKind.EMPTY, id="header alone"),
        pytest.param(b"x" * (MOST_BYTES + 1), 1, "", ProblemKind.TOO_LARGE, id="huge"),
        pytest.param(
            HEADER + "a,google,1\n" * 40_000, 3, "provider", ProblemKind.PROVIDER_TWICE, id="again"
        ),
        pytest.param(
            HEADER + "".join(f"s{n},x{n}.example,1\n" for n in range(501)),
            502, "", ProblemKind.TOO_MANY_LINES, id="too many lines",
        ),
        pytest.param(HEADER.encode("utf-16"), 1, "", ProblemKind.UTF_16, id="UTF-16"),
        pytest.param(
            HEADER.encode() + b"caf\xe9,google,1\n", 2, "", ProblemKind.NOT_UTF8, id="Latin-1"
        ),
        pytest.param(HEADER + "a,goo\0gle,1\n", 2, "", ProblemKind.NOT_CSV, id="NUL"),
        pytest.param(HEADER + 'a,"google,1\n', 2, "", ProblemKind.NOT_CSV, id="open quote"),
        pytest.param("news,google,5\n", 1, "", ProblemKind.NO_HEADER, id="no header"),
        pytest.param(
            "stream,provider\n", 1, "messages_per_day", ProblemKind.COLUMN_MISSING, id="no column"
        ),
        pytest.param(
            HEADER.strip() + ",colour\n", 1, "colour", ProblemKind.COLUMN_UNKNOWN, id="colour"
        ),
        pytest.param(
            HEADER.strip() + ",stream\n", 1, "stream", ProblemKind.COLUMN_TWICE, id="column twice"
        ),
        pytest.param(HEADER + "a,google,1,000\n", 2, "", ProblemKind.CELLS, id="separator"),
        pytest.param(HEADER + "a,,1\n", 2, "provider", ProblemKind.MISSING, id="empty cell"),
        pytest.param(HEADER + "a b,google,1\n", 2, "stream", ProblemKind.STREAM, id="stream"),
        pytest.param(
            HEADER + "a,gogle,1\n", 2, "provider", ProblemKind.PROVIDER_UNKNOWN_LIKE, id="typo"
        ),
        pytest.param(
            HEADER + "a,qqqqq1,1\n", 2, "provider", ProblemKind.PROVIDER_UNKNOWN, id="nobody"
        ),
        pytest.param(
            HEADER + "a,spamhaus,1\n", 2, "provider", ProblemKind.PROVIDER_UNKNOWN, id="blocklist"
        ),
        pytest.param(
            HEADER + "a,google,1\na,gmail.com,2\n",
            3, "provider", ProblemKind.PROVIDER_TWICE, id="by two names",
        ),
        pytest.param(
            HEADER + "a,google,-5\n", 2, "messages_per_day", ProblemKind.NEGATIVE, id="negative"
        ),
        pytest.param(HEADER + "a,google,0\n", 2, "messages_per_day", ProblemKind.ZERO, id="zero"),
        pytest.param(
            HEADER + "a,google,1e9\n", 2, "messages_per_day", ProblemKind.NOT_A_NUMBER, id="1e9"
        ),
        pytest.param(
            HEADER + "a,google," + "9" * 5_000, 2, "messages_per_day", ProblemKind.ENORMOUS,
            id="enormous",
        ),
        pytest.param(
            WIDE + "a,google,100,99,\n", 2, "target_per_day", ProblemKind.TARGET_BELOW,
            id="target below",
        ),
        pytest.param(
            WIDE + "a,google,1,,07.12.2026\n", 2, "starts_on", ProblemKind.NOT_A_DATE, id="format"
        ),
        pytest.param(
            WIDE + "a,google,1,,2026-02-30\n", 2, "starts_on", ProblemKind.NOT_A_DATE, id="30 Feb"
        ),
        pytest.param(
            WIDE + "a,google,1,,2026-11-26\n", 2, "starts_on", ProblemKind.PAST, id="yesterday"
        ),
        pytest.param(
            WIDE + "a,google,1,,2026-12-01\na,yahoo,1,,2026-12-02\n",
            3, "starts_on", ProblemKind.STARTS_DIFFER, id="two starts",
        ),
        pytest.param(
            ENGAGED + "a,google,1,0,50,60,101\n",
            2, "engaged_90d", ProblemKind.NOT_A_PERCENTAGE, id="101 %",
        ),
        pytest.param(
            ENGAGED + "a,google,1,0,50,40,60\n",
            2, "engaged_60d", ProblemKind.ENGAGED_FALLS, id="falls",
        ),
        pytest.param(
            ENGAGED + "a,google,1,0,50,,60\n",
            2, "engaged_60d", ProblemKind.ENGAGED_PARTLY, id="partly",
        ),
        pytest.param(
            WEEK + "a,google,9,9,9,9,9,9,,0\n",
            2, "sat", ProblemKind.WEEKDAYS_PARTLY, id="six weekdays",
        ),
        pytest.param(
            WEEK + "a,google,9,9,9,10,9,9,0,0\n",
            2, "wed", ProblemKind.WEEKDAY_ABOVE, id="busier than busy",
        ),
        pytest.param(
            WEEK + "a,google,9,0,0,0,0,0,0,0\n",
            2, "mon", ProblemKind.WEEKDAYS_EMPTY, id="an empty week",
        ),
        pytest.param(
            WEEK + "a,google,9,-1,0,0,0,0,0,0\n",
            2, "mon", ProblemKind.NEGATIVE, id="below zero on a weekday",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_field(
    data: str | bytes, line: int, field: str, kind: ProblemKind
) -> None:
    with pytest.raises(InvalidTraffic) as caught:
        _read(data)
    first = caught.value.problems[0]
    assert (first.line, first.field, first.kind) == (line, field, kind)
    for language in ("en", "id"):
        assert "{" not in first.in_words(language)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidTraffic) as caught:
        _read(HEADER + "a,google,-5\nb,google,7\nc,google,x\n")
    assert str(caught.value) == (
        "line 2, messages_per_day: -5 is below zero. Write messages a day, at least 1.\n"
        "line 4, messages_per_day: x is no whole number. Write messages a day without separators: "
        "120000."
    )


def test_a_problem_is_told_in_indonesian_too() -> None:
    problem = Problem(1_200, "messages_per_day", ProblemKind.ZERO)
    assert problem.in_words("id").startswith("baris 1.200, messages_per_day: setiap baris")


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEADER + text).encode()))
def test_no_file_ends_in_anything_but_traffic_or_problems(data: bytes) -> None:
    try:
        assert _read(data).flows
    except InvalidTraffic as error:
        assert error.problems
