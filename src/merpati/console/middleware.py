"""What every page's request goes through, besides Django's own: id, language, zone, errors."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from zoneinfo import ZoneInfo

from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from merpati.console.access import viewer_of, zone_named
from merpati.desk.attachments import MESSAGE_BYTES
from merpati.desk.case_errors import CaseNotFound
from merpati.desk.errors import ZoneNotFound

LANGUAGE_COOKIE = "merpati_language"
ZONE_COOKIE = "merpati_zone"
THEME_COOKIE = "merpati_theme"
SHORTCUTS_COOKIE = "merpati_shortcuts"
BODY_BYTES = MESSAGE_BYTES + 1024 * 1024  # all files of a form, and its text
THEMES = ("light", "dark", "system")

log = logging.getLogger(__name__)

Answer = Callable[[HttpRequest], HttpResponse]


def request_ids(get_response: Answer) -> Answer:
    """Give each request an id that its error page and the log name; add security headers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.request_id = secrets.token_hex(8)  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        response["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return middleware


class Personal:
    """Shows a page in the viewer's language and time zone.

    Who is signed in has both in their settings; everybody else by cookie, the language else by what
    their browser asks for.
    """

    def __init__(self, get_response: Answer) -> None:
        """Take the rest of the chain."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer in the viewer's language."""
        viewer = viewer_of(request)
        language = viewer.language if viewer else _asked_language(request)
        zone = viewer.zone if viewer else zone_named(request.COOKIES.get(ZONE_COOKIE, ""))
        with translation.override(language), timezone.override(zone or ZoneInfo("UTC")):
            request.LANGUAGE_CODE = language
            if _length(request) > BODY_BYTES:  # before anything reads it, onto the disk
                response = render(request, "console/errors/413.html", status=413)
            else:
                response = self._get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what went wrong in a page, in the viewer's language."""
        match error:
            case CaseNotFound() | ZoneNotFound():
                raise Http404 from error
            case Http404() | PermissionDenied():
                return None
            case ReauthenticationRequired() | ImmediateHttpResponse():
                return None  # allauth's own middleware answers them
            case DatabaseError():
                log.error("unavailable request=%s error=%s", _id(request), error)
                return render(request, "console/errors/503.html", status=503)
            case _:
                return None  # `views/errors.py` answers and logs it


def theme_of(request: HttpRequest) -> str:
    """Return the chosen theme; "system" follows the device."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "system"


def _asked_language(request: HttpRequest) -> str:
    chosen = request.COOKIES.get(LANGUAGE_COOKIE, "")
    if translation.check_for_language(chosen) and chosen in {"en", "id"}:
        return chosen
    return translation.get_language_from_request(request)


def _length(request: HttpRequest) -> int:
    """Return how long a body is said to be; no more of it is ever read."""
    text = str(request.META.get("CONTENT_LENGTH") or "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _id(request: HttpRequest) -> str:
    return getattr(request, "request_id", "")
