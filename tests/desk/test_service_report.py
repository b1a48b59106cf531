"""The service report of a month: answers and updates in time, resolution, what stays open."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries

from merpati.accounts.models import Account
from merpati.desk import case_actions, case_relations
from merpati.desk.case_errors import InvalidCase
from merpati.desk.models import Case, EndedClock
from merpati.desk.service_report import Kept, ServiceReport, month_span, report_of
from merpati.desk.service_report_document import checked_month, report_csv, report_document
from tests.desk.calendars import ZONES
from tests.desk.cases import SIGNER, Desk, uk
from tests.support.control import make_account

pytestmark = pytest.mark.django_db

MARCH = date(2026, 3, 1)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def report(account: Account, month: date = MARCH, now: datetime | None = None) -> ServiceReport:
    return report_of(account, month, now or datetime(2026, 6, 1, tzinfo=UTC))


def test_answers_and_updates_are_counted_where_they_were_given(desk: Desk) -> None:
    number = desk.opens(uk("03-02 09:00")).pk  # normal: first answer in 4 hours, updates in 16
    case_actions.write(number, "We look at it.", by=desk.budi, now=uk("03-02 12:00"))
    case_actions.report_progress(number, "Found.", by=desk.budi, now=uk("03-04 12:00"))
    case_actions.report_progress(number, "Late.", by=desk.budi, now=uk("03-09 12:00"))
    case_actions.propose(number, "Done.", by=desk.budi, now=uk("03-10 09:00"))
    case_actions.write(number, "Really?", by=desk.sari, now=uk("03-10 10:00"))
    case_actions.agree(number, by=desk.sari, signer=SIGNER, now=uk("03-10 11:00"))
    late = desk.opens(uk("03-30 09:00"), severity="urgent").pk
    case_actions.write(late, "Sorry.", by=desk.budi, now=uk("03-30 15:00"))
    found = report(desk.account)
    assert (found.opened, found.resolved, found.open_at_end) == (2, 1, 1)
    assert found.first_answers == Kept(on_time=1, late=1)
    assert found.first_answers.share == 0.5
    assert found.updates == Kept(on_time=2, late=1)  # what the customer ended was no update
    assert found.overdue == 1
    (_, line) = found.lines  # newest first
    assert line.case.waited == timedelta(hours=1)
    assert found.median_to_resolution == line.case.worked


def test_what_waits_for_the_customer_is_not_overdue(desk: Desk) -> None:
    number = desk.opens(uk("03-02 09:00")).pk
    case_actions.ask(number, "Which?", by=desk.budi, now=uk("03-02 10:00"))
    assert report(desk.account).overdue == 0


def test_a_promise_broken_at_the_end_counts_there_though_it_was_kept_later(desk: Desk) -> None:
    number = desk.opens(uk("03-30 09:00"), severity="urgent").pk
    case_actions.write(number, "Sorry.", by=desk.budi, now=uk("04-02 10:00"))
    assert report(desk.account).overdue == 1
    april = report(desk.account, date(2026, 4, 1))
    assert (april.first_answers, april.opened) == (Kept(0, 1), 0)


def test_a_case_belongs_to_the_months_in_which_it_goes_on(desk: Desk) -> None:
    number = desk.resolved(uk("03-02 09:00")).pk
    assert [line.case.number for line in report(desk.account).lines] == [number]
    assert report(desk.account, date(2026, 2, 1)).lines == ()
    assert report(desk.account, date(2026, 4, 1)).lines == ()
    assert report(make_account("Another")).lines == ()


def test_a_merged_case_is_neither_resolved_nor_answered(desk: Desk) -> None:
    a, b = desk.opens(uk("03-02 09:00")), desk.opens(uk("03-02 09:00"))
    case_relations.merge(a.pk, b.pk, by=desk.budi, now=uk("03-02 16:00"))
    found = report(desk.account, now=uk("03-02 16:10"))
    assert (found.opened, found.resolved, found.open_at_end) == (2, 0, 1)
    assert found.first_answers == Kept(0, 0)
    assert found.first_answers.share is None
    assert found.overdue == 1


def test_a_page_has_the_newest_lines_and_the_sums_of_all(desk: Desk) -> None:
    numbers = [desk.resolved(uk(f"03-0{day} 09:00")).pk for day in (2, 3, 4)]
    found = report_of(desk.account, MARCH, uk("03-31 12:00"), most=2)
    assert [line.case.number for line in found.lines] == numbers[:0:-1]
    assert (found.cases, found.resolved) == (3, 3)
    assert [line.first_answers for line in found.lines] == [Kept(on_time=1)] * 2
    assert found.first_answers == Kept(on_time=3)


def test_each_ended_clock_and_how_long_a_case_took_are_kept(desk: Desk) -> None:
    number = desk.opens(uk("03-02 09:00")).pk
    case_actions.ask(number, "Which?", by=desk.budi, now=uk("03-02 15:00"))
    case_actions.write(number, "This.", by=desk.sari, now=uk("03-03 10:00"))
    case_actions.propose(number, "Done.", by=desk.budi, now=uk("03-03 16:00"))
    case_actions.agree(number, by=desk.sari, signer=SIGNER, now=uk("03-04 09:00"))
    desk.opens(uk("03-05 09:00"))
    ended = EndedClock.objects.filter(account=desk.account).order_by("pk")
    assert [(one.name, one.is_late) for one in ended] == [
        ("first_answer", True),
        ("next_update", False),
    ]
    case = Case.objects.get(pk=number)
    assert (case.worked, case.waited) == (timedelta(hours=12), timedelta(hours=4))


def test_a_month_is_local() -> None:
    span = month_span(date(2026, 3, 1), ZONES["us-eastern"].zone)
    assert span.starts_at == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert span.ends_at == datetime(2026, 4, 1, 4, tzinfo=UTC)
    assert month_span(date(2026, 12, 1), ZONES["uk"].zone).ends_at == datetime(
        2027, 1, 1, tzinfo=UTC
    )


def test_a_month_that_is_none_or_has_not_begun_is_refused(desk: Desk) -> None:
    assert checked_month("2026-11") == date(2026, 11, 1)
    for text in ("2026-13", "november", "2026-11-01"):
        with pytest.raises(InvalidCase, match="write 2026-11"):
            checked_month(text)
    with pytest.raises(InvalidCase, match="not begun"):
        report(desk.account, now=uk("02-20 10:00"))


def test_a_table_for_people_holds_no_formula(
    desk: Desk, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        desk.opens(uk("03-02 09:00"), subject="=HYPERLINK(1)")
    with django_assert_num_queries(6):
        found = report(desk.account, now=uk("03-03 09:00"))
    rows = list(csv.DictReader(io.StringIO(report_csv(found))))
    assert [row["subject"] for row in rows] == ["'=HYPERLINK(1)"] * 3
    assert rows[0]["opened_at"] == "2026-03-02T09:00:00+00:00"
    document = report_document(desk.account, MARCH, found)
    assert (document["month"], document["opened"], document["overdue"]) == ("2026-03", 3, 3)
    assert document["cases"][0]["subject"] == "=HYPERLINK(1)"
