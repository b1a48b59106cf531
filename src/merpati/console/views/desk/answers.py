"""`/desk/answers`: canned answers in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from merpati.console import words
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.forms import Refused, answered
from merpati.console.services import services
from merpati.desk import canned_answers
from merpati.desk.case_errors import AnswerNotFound
from merpati.desk.models import CannedAnswer

PATH = "/desk/answers"


@staff_page
def show(request: HttpRequest, viewer: Viewer, answer_id: int | None = None) -> HttpResponse:
    """List the answers, with the form for a new one or for the one that is changed."""
    return _page(request, _answer(answer_id))


@staff_page
@require_POST
def save(request: HttpRequest, viewer: Viewer, answer_id: int | None = None) -> HttpResponse:
    """Keep an answer in both languages."""

    def act() -> str:
        given = (request.POST.get(name, "") for name in ("name", "text_en", "text_id"))
        answer = canned_answers.save_answer(
            *given, by=viewer.actor, now=services().now, answer_id=answer_id
        )
        return gettext("Saved: %(name)s") % {"name": answer.name}

    return _answered(request, act, answer_id)


@staff_page
@require_POST
def remove(request: HttpRequest, viewer: Viewer, answer_id: int) -> HttpResponse:
    """Forget an answer."""

    def act() -> str:
        canned_answers.remove_answer(answer_id, by=viewer.actor, now=services().now)
        return gettext("The answer is removed.")

    return _answered(request, act, None)


def _answered(request: HttpRequest, act: Callable[[], str], answer_id: int | None) -> HttpResponse:
    return answered(
        request,
        act,
        to=PATH,
        page=lambda refused: _page(request, _answer(answer_id), refused),
    )


def _answer(answer_id: int | None) -> CannedAnswer | None:
    try:
        return None if answer_id is None else canned_answers.find_answer(answer_id)
    except AnswerNotFound:
        raise Http404 from None


def _page(
    request: HttpRequest, answer: CannedAnswer | None, refused: Refused | None = None
) -> HttpResponse:
    context: dict[str, Any] = {
        "answers": list(CannedAnswer.objects.order_by("name")),
        "answer": answer,
        "names": list(words.ANSWER_NAMES.items()),
        "refused": refused,
    }
    return render(request, "console/desk/answers.html", context)
