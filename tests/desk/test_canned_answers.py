"""Canned answers: both languages, names filled in, and what cannot be filled in refused early."""

from __future__ import annotations

from pathlib import Path

import pytest

from merpati.desk import canned_answers
from merpati.desk.canned_answers import filled_in, save_answer
from merpati.desk.case_errors import AnswerNotFound, InvalidAnswer
from merpati.desk.models import CannedAnswer
from tests.desk.cases import BY, MONDAY, Desk

pytestmark = pytest.mark.django_db

EN = "Dear {{customer}}, {{if due}}you hear from us by {{due}}.{{end}} {{me}}, case {{number}}"
ID = "Yth. {{customer}}, kabar berikutnya {{due}}. {{me}}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def save(name: str = "Next update", text_en: str = EN, text_id: str = ID) -> CannedAnswer:
    return save_answer(name, text_en, text_id, by=BY, now=MONDAY)


def test_an_answer_is_filled_in_in_the_cases_language(desk: Desk) -> None:
    answer = save()
    english, indonesian = desk.opens(), desk.opens(language="id")
    assert filled_in(answer, english, desk.person) == (
        f"Dear Sari, you hear from us by Mon 2 Mar 13:00 (GMT). Budi, case {english.pk}"
    )
    assert filled_in(answer, indonesian, desk.person) == (
        "Yth. Sari, kabar berikutnya Sen 2 Mar 13:00 (GMT). Budi"
    )


def test_a_clock_that_stands_leaves_due_empty(desk: Desk) -> None:
    assert "hear" not in filled_in(save(), desk.resolved(), desk.person)


@pytest.mark.parametrize(
    ("texts", "field", "says"),
    [
        pytest.param(("Hi {{customr}}", ID), "text_en", "customr.*account, customer", id="name"),
        pytest.param((EN, "{{if due}}no end"), "text_id", "Line 1", id="syntax"),
        pytest.param((EN, " "), "text_id", "1 to", id="one language missing"),
    ],
)
def test_what_cannot_be_filled_in_is_refused_when_it_is_saved(
    texts: tuple[str, str], field: str, says: str
) -> None:
    with pytest.raises(InvalidAnswer, match=says) as refused:
        save("x", *texts)
    assert refused.value.field == field
    assert not CannedAnswer.objects.exists()


def test_names_are_given_once_and_answers_change_and_go() -> None:
    first = save()
    with pytest.raises(InvalidAnswer, match="already"):
        save()
    save_answer("Other", EN, ID, by=BY, now=MONDAY, answer_id=first.pk)
    assert [answer.name for answer in CannedAnswer.objects.all()] == ["Other"]
    canned_answers.remove_answer(first.pk, by=BY, now=MONDAY)
    with pytest.raises(AnswerNotFound):
        canned_answers.find_answer(first.pk)


def test_what_a_customer_is_called_is_no_template(desk: Desk) -> None:
    case = desk.opens(subject="{{me}} {{{x}}}")
    assert filled_in(save("s", "{{subject}}", "x"), case, desk.person) == "{{me}} {{{x}}}"
