"""What every form of the desk does: one act, then on; or what was refused, with what was typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from merpati.console.desk.refusals import in_words
from merpati.desk.errors import DeskError

Refusal = type[DeskError]


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was sent and refused: what to say, and what was typed, by field."""

    form: str
    words: str
    given: Mapping[str, str]


def answered(
    request: HttpRequest,
    act: Callable[[], str],
    *,
    to: str,
    page: Callable[[Refused], HttpResponse],
) -> HttpResponse:
    """Do what a form asks, say what the act returns and lead on.

    What is refused shows the page again: 422 where a field is wrong, else 409.
    """
    try:
        done = act()
    except DeskError as error:
        form = request.POST.get("form", "")
        response = page(Refused(form, in_words(error), request.POST.dict()))
        response.status_code = 422 if error.field else 409
        return response
    messages.success(request, done)
    return HttpResponseRedirect(to)


def day_in(request: HttpRequest, field: str, refusal: Refusal) -> date:
    """Return the day that a field holds. Raises `refusal`."""
    try:
        return date.fromisoformat(request.POST.get(field, ""))
    except ValueError:
        raise refusal("Choose a day.", field) from None


def moment_in(request: HttpRequest, field: str, refusal: Refusal) -> datetime:
    """Return the moment that a field holds, by the viewer's clock. Raises `refusal`."""
    try:
        moment = datetime.fromisoformat(request.POST.get(field, ""))
    except ValueError:
        raise refusal("Choose a day and a time.", field) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.get_current_timezone())


def number_in(request: HttpRequest, field: str, refusal: Refusal) -> int:
    """Return the whole number that a field holds, "#7" too. Raises `refusal`."""
    text = request.POST.get(field, "").strip().removeprefix("#")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise refusal("Write a number.", field)
    return int(text)
