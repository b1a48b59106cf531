"""`merpati hours`: results with their account; calendars that a person keeps.

One process gives many commands, since starting one takes longer than what it does.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import icalendar
import pytest

from harness import programs
from merpati.cli.hours_holidays import _say_doubts
from merpati.desk.proposals import compare
from tests.support.prepared import prepared

FRIDAY = date(2026, 12, 25)

PROGRAM = """
import contextlib, io, json, sys
from merpati.cli.main import run_command_line
answers = []
for words in json.load(sys.stdin):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    said = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = run_command_line(["hours", *words])
    answers.append((code, out.buffer.getvalue().decode(), said.getvalue()))
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    said: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.said
        return json.loads(self.out)


def give(data: Path, *lines: str) -> list[Answer]:
    """Give commands of `merpati hours`, one a line, as a shell reads them."""
    commands = [shlex.split(line) for line in lines]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MERPATI_")}
    environment["MERPATI_DATA"] = str(prepared(data))
    done = programs.run_code(PROGRAM, given=json.dumps(commands), environment=environment)
    assert done.returncode == 0, done.stderr
    return [Answer(*answer) for answer in json.loads(done.stdout)]


def test_a_due_time_is_told_with_its_account(tmp_path: Path) -> None:
    text, document, waits, between, part, closed, opened = give(
        tmp_path,
        "add --zone us-eastern --from 2026-03-06T16:30 --minutes 60",
        "add --zone us-eastern --from 2026-03-07T04:30+07:00 --minutes 60 --json",
        "add --zone uk --from 2026-05-02T10:00 --minutes 0 --json",
        "between --zone us-eastern --from 2026-03-06T16:00 --to 2026-03-09T10:00 --json",
        "between --zone uk --from 2026-05-06T16:29:15 --to 2026-05-06T23:00 --json",
        "status --zone uk --at 2026-05-04T12:00 --json",
        "status --zone us-pacific --at 2026-07-02T23:59Z --json",
    )
    assert text.out == (
        "due Mon 9 Mar 2026 09:30 EDT (2026-03-09 13:30 UTC)\n"
        "counted: Fri 16:30-17:00, closed Sat and Sun, Mon 09:00-09:30\n"
    )
    assert "of 2026 are proposed, not confirmed" in text.said
    due = document.json
    assert (due["from"], due["due_at"]) == ("2026-03-06T21:30:00Z", "2026-03-09T13:30:00Z")
    assert [len(day["counted"]) for day in due["account"]] == [1, 0, 0, 1]
    assert due["account"][0]["counted"] == [
        {"from": "2026-03-06T21:30:00Z", "to": "2026-03-06T22:00:00Z", "minutes": 30}
    ]
    assert due["unconfirmed_years"] == [2026]
    assert waits.json["due_at"] == "2026-05-05T07:30:00Z"
    assert [day["kind"] for day in waits.json["account"]] == [
        *("weekly", "weekly", "bank_holiday", "weekly")
    ]
    assert between.json["minutes"] == 120
    assert part.json["minutes"] == 0.75
    assert (closed.json["open"], closed.json["closes_at"]) == (False, None)
    assert closed.json["next_opening"] == "2026-05-05T07:30:00Z"
    assert closed.json["today"]["note"] == "May Day"
    assert (opened.json["open"], opened.json["closes_at"]) == (True, "2026-07-03T00:00:00Z")


def test_a_year_is_confirmed_and_changed_by_a_person(tmp_path: Path) -> None:
    proposed, early, confirmed, again, added, closed, listed, counted = give(
        tmp_path,
        "holidays propose --zone uk --year 2026 --json",
        "holidays add 2026-09-21 --zone uk --name 'State funeral'",
        "holidays confirm --zone uk --year 2026 --json",
        "holidays confirm --zone uk --year 2026",
        "holidays add 2026-09-21 --zone uk --name 'State funeral' --json",
        "holidays remove 2026-08-31 --zone uk --json",
        "holidays list --zone uk --year 2026 --json",
        "between --zone uk --from 2026-08-28T16:00 --to 2026-08-31T09:00 --json",
    )
    assert len(proposed.json["days"]) == 8
    assert proposed.json["doubtful"] == []
    assert "holidays confirm --zone uk --year 2026" in early.said
    assert confirmed.json["days"][0]["source"] == ", ".join(proposed.json["sources"])
    assert (again.code, again.out) == (1, "")
    assert "--replace" in again.said
    assert added.json["changed_from"] == added.json["changed_to"] == "2026-09-21"
    assert closed.json["calendar_version"] == added.json["calendar_version"] + 1
    days = {day["day"]: day["name"] for day in listed.json["days"]}
    assert days["2026-09-21"] == "State funeral"
    assert "2026-08-31" not in days
    assert counted.json["minutes"] == 60
    assert (counted.json["unconfirmed_years"], counted.said) == ([], "")


def test_overrides_are_made_listed_and_removed(tmp_path: Path) -> None:
    made, backwards, twice, neither, listed, due, removed, empty = give(
        tmp_path,
        "override add 2026-11-30 13:00-17:00 9:00-12:00 --zone us-eastern --reason Lunch --json",
        "override add 2026-12-01 17:00-09:00 --zone us-eastern --reason x",
        "override add 2026-11-30 --closed --zone us-eastern --reason x",
        "override add 2026-12-01 --zone us-eastern --reason x",
        "override list --zone us-eastern",
        "add --zone us-eastern --from 2026-11-30T11:30 --minutes 120 --json",
        "override remove 2026-11-30 --zone us-eastern --json",
        "override list --zone us-eastern",
    )
    assert made.json["override"]["hours"] == ["09:00-12:00", "13:00-17:00"]
    assert made.json["override"]["created_by"].startswith("cli:")
    assert "closes before it opens" in backwards.said
    assert "--replace" in twice.said
    assert (neither.code, "or --closed" in neither.said) == (2, True)
    assert "09:00-12:00, 13:00-17:00  Lunch" in listed.out
    assert due.json["due_at"] == "2026-11-30T19:30:00Z"
    assert due.json["explanation"] == "Mon 11:30-12:00 and 13:00-14:30 (Lunch)"
    assert removed.json["changed_to"] == "2026-11-30"
    assert "merpati hours override add" in empty.out


def test_a_year_is_shown_and_written_as_icalendar(tmp_path: Path) -> None:
    file = tmp_path / "hours.ics"
    text, document, written, printed, both, used, other = give(
        tmp_path / "data",
        "calendar --zone us-eastern --year 2026",
        "calendar --zone us-eastern --year 2026 --json",
        f"calendar --zone us-eastern --year 2026 --ics {file} --json",
        "calendar --zone us-eastern --year 2026 --ics -",
        "calendar --zone us-eastern --ics - --json",
        "holidays use us-federal --zone us-eastern --json",
        "calendar --zone us-eastern --year 2026 --json",
    )
    assert "Mon to Fri 09:00-17:00, Sat and Sun closed" in text.out
    assert "2026: 251 days, 2,008 hours open" in text.out
    assert (document.json["days_open"], document.json["minutes"]) == (251, 251 * 480)
    assert len(document.json["days"]) == 10
    assert written.json == document.json
    assert str(file) in written.said
    calendar = icalendar.Calendar.from_ical(file.read_bytes())
    assert len(calendar.walk("VEVENT")) == 251 + 10
    assert printed.out.encode() == file.read_bytes()
    assert (both.code, both.out) == (2, "")
    assert used.json["holiday_list"] == "us-federal"
    assert len(other.json["days"]) == 11


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    lines = [
        "add --zone us-eastern --from later --minutes 1",
        "add --zone us-eastern --from 2026-11-01T01:30 --minutes 1",
        "add --zone us-eastern --from 2026-03-08T02:30 --minutes 1",
        "add --zone uk --from 2099-12-31T16:00 --minutes 1000000",
        "add --zone uk --minutes -1",
        "between --zone uk --from 2026-01-02 --to 2026-01-01",
        "override add 30.11.2026 --closed --zone uk --reason x",
        "holidays propose --zone mars",
    ]
    return dict(zip(lines, give(tmp_path_factory.mktemp("data"), *lines), strict=True))


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("add --zone us-eastern --from later", 1, "'later' is no time; write 2026-03-06T16:30"),
        ("add --zone us-eastern --from 2026-11-01", 0, "comes twice in America/New_York"),
        ("add --zone us-eastern --from 2026-03-08", 0, "does not exist in America/New_York"),
        ("add --zone uk --from 2099", 1, "No bank holidays are known for 2101"),
        ("add --zone uk --minutes -1", 2, "0<=x<=1000000"),
        ("between", 1, "exchange the two"),
        ("override", 1, "'30.11.2026' is no day; write 2026-03-06"),
        ("holidays", 2, "'us-eastern', 'us-pacific', 'uk'"),
    ],
)
def test_what_cannot_be_meant_is_named(
    refusals: dict[str, Answer], line: str, code: int, says: str
) -> None:
    (answer,) = [found for given, found in refusals.items() if given.startswith(line)]
    assert answer.code == code
    assert says in answer.said
    assert bool(answer.out) == (code == 0)


def test_a_doubtful_day_is_named_before_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    day = date(2026, 9, 21)
    _say_doubts(compare({"package": {day: "One-off", FRIDAY: "x"}, "list": {FRIDAY: "x"}}))
    said = capsys.readouterr().err
    assert said == "2026-09-21 One-off: only package names it; find out.\n"
