"""Calls that took place: on an account, and as a word of the desk in a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merpati.desk.calls import calls_of, log_call
from merpati.desk.case_errors import CaseNotFound, CaseResolved, InvalidCall
from merpati.desk.models import Call, Case
from tests.desk.cases import MONDAY, Desk, uk
from tests.support.control import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def call(desk: Desk, **changes: Any) -> Call:
    given: dict[str, Any] = {
        "spoke_with": "Sari",
        "began_at": uk("03-02 10:00"),
        "minutes": 12,
        "text": "She sees the block too.",
        "now": uk("03-02 10:15"),
    }
    return log_call(desk.account.pk, person=desk.person, via="cli:budi", **(given | changes))


def test_a_call_about_a_case_answers_it_and_stands_in_its_history(desk: Desk) -> None:
    case = desk.opens()
    call(desk, number=case.pk)
    case.refresh_from_db()
    assert case.first_answered_at == uk("03-02 10:15")
    entry = case.updates.get(kind="call")
    assert entry.text == "She sees the block too."
    assert entry.detail["spoke_with"] == "Sari"
    assert entry.detail["minutes"] == 12
    assert [c.case for c in calls_of(desk.account.pk, 10)] == [case]


def test_a_call_about_nothing_in_particular_is_the_accounts(desk: Desk) -> None:
    first, second = call(desk), call(desk, began_at=uk("03-02 09:00"))
    assert calls_of(desk.account.pk, 10) == [first, second]
    assert calls_of(make_account("Another").pk, 10) == []


@pytest.mark.control_database
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"minutes": 0}, "minutes", id="no time"),
        pytest.param({"minutes": 601}, "minutes", id="too long"),
        pytest.param({"now": MONDAY}, "began_at", id="not over yet"),
        pytest.param({"spoke_with": ""}, "spoke_with", id="nobody"),
        pytest.param({"text": " "}, "text", id="nothing said"),
    ],
)
def test_what_cannot_be_logged_names_the_field(
    desk: Desk, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidCall) as refused:
        call(desk, **changes)
    assert refused.value.field == field


def test_a_refused_call_leaves_nothing_behind(desk: Desk) -> None:
    resolved = desk.resolved()
    foreign = Desk(desk.folder, make_account("Another"), desk.person).opens()
    with pytest.raises(CaseResolved):
        call(desk, number=resolved.pk)
    with pytest.raises(CaseNotFound):
        call(desk, number=foreign.pk)
    assert not Call.objects.exists()
    assert Case.objects.get(pk=foreign.pk).changed_at == MONDAY
