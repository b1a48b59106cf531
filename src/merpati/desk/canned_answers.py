"""Texts that the desk writes often: kept in both languages, filled in for a case.

They are written in the template language that customers' mail uses (`{{customer}}`); a name that
nobody can fill in is refused when the text is saved, not when it is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import override

from merpati.accounts import audit
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_errors import (
    AnswerNameUnknown,
    AnswerNotFound,
    AnswerUnreadable,
    InvalidAnswer,
)
from merpati.desk.checks import checked_line, checked_text
from merpati.desk.hours_words import moment_in_words
from merpati.desk.models import CannedAnswer, Case, Language, Person
from merpati.message.errors import TemplateRenderError, TemplateSyntaxError
from merpati.message.template import Place, Template, compile_template

NAMES = {
    "account": "the account's name",
    "customer": "the name of who opened the case",
    "due": "when the desk's next word is due, in the service zone; none while the clock stands",
    "me": "the name of who answers",
    "number": "the case's number",
    "subject": "the case's subject",
}


def save_answer(
    name: str, text_en: str, text_id: str, *, by: str, now: datetime, answer_id: int | None = None
) -> CannedAnswer:
    """Keep a text in both languages; answer_id: the one that is changed, None for a new one.

    Raises InvalidAnswer, AnswerNotFound.
    """
    name = checked_line(name, "name", InvalidAnswer)
    texts = {
        "text_en": _checked(text_en, "text_en"),
        "text_id": _checked(text_id, "text_id"),
    }
    with transaction.atomic():
        if CannedAnswer.objects.filter(name=name).exclude(pk=answer_id or 0).exists():
            raise InvalidAnswer(f"There is an answer {name!r} already: give another name.", "name")
        answer = find_answer(answer_id) if answer_id is not None else CannedAnswer()
        answer.name, answer.text_en, answer.text_id = name, texts["text_en"], texts["text_id"]
        answer.changed_by, answer.changed_at = by, now
        answer.save()
        audit.record("save_answer", name, by=by, now=now, account_id=None)
    return answer


def remove_answer(answer_id: int, *, by: str, now: datetime) -> None:
    """Forget a text. Raises AnswerNotFound."""
    with transaction.atomic():
        answer = find_answer(answer_id)
        answer.delete()
        audit.record("remove_answer", answer.name, by=by, now=now, account_id=None)


def find_answer(answer_id: int) -> CannedAnswer:
    """Return a text. Raises AnswerNotFound."""
    answer = CannedAnswer.objects.filter(pk=answer_id).first()
    if answer is None:
        raise AnswerNotFound(answer_id)
    return answer


def filled_in(answer: CannedAnswer, case: Case, person: Person) -> str:
    """Return a text for a case, in the language of the case. Raises InvalidAnswer."""
    is_indonesian = case.language == Language.INDONESIAN
    field = "text_id" if is_indonesian else "text_en"
    template = _compiled(getattr(answer, field), field)
    try:
        return template.render(_values(case, person)).strip()
    except TemplateRenderError as error:
        raise AnswerUnreadable(error.line, error.description, field) from None


def _values(case: Case, person: Person) -> dict[str, Any]:
    due = None
    if case.due_at is not None:
        hours = service_hours(find_calendar(case.account.service_time_zone))
        with override(case.language):
            due = moment_in_words(case.due_at, hours.zone)
    return {
        "account": case.account.name,
        "customer": case.opened_by.name,
        "due": due,
        "me": person.name,
        "number": case.pk,
        "subject": case.subject,
    }


def _checked(text: str, field: str) -> str:
    text = checked_text(text, field, InvalidAnswer)
    _compiled(text, field)
    return text


def _compiled(text: str, field: str) -> Template:
    try:
        template = compile_template(text, Place.TEXT, field)
    except TemplateSyntaxError as error:
        raise AnswerUnreadable(error.line, error.description, field) from None
    unknown = sorted(template.names - NAMES.keys())
    if unknown:
        raise AnswerNameUnknown(unknown[0], list(NAMES), field)
    return template
