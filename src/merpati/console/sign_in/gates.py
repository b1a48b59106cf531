"""What comes before a page: a second factor for those who need one, then the privacy notice.

Both lead away once and remember in the session that they are passed. Whoever posts a form is asked
for the second factor too, but never for the notice: what they wrote would be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from merpati.accounts import privacy
from merpati.console.sign_in import second_factor

NOTICE = "/privacy"
TWO_FACTOR = "/me/two-factor"
_OPEN = ("/sign-in", "/sign-out", TWO_FACTOR, NOTICE, "/language", "/theme", "/invitation/")
_HAS_SECOND_FACTOR, _AGREED = "has_second_factor", "privacy_agreed"

Answer = Callable[[HttpRequest], HttpResponse]


def gates(get_response: Answer) -> Answer:
    """Lead whoever is signed in through what they have not passed yet."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and not request.path.startswith(_OPEN):
            if _lacks_second_factor(request):
                return _lead(request, TWO_FACTOR)
            if request.method in {"GET", "HEAD"} and _has_not_agreed(request):
                return _lead(request, f"{NOTICE}?{urlencode({'next': request.get_full_path()})}")
        return get_response(request)

    return middleware


def remember_agreed(request: HttpRequest, version: str) -> None:
    """Let a session pass whose user agreed to a version of the notice."""
    request.session[_AGREED] = version


def _lacks_second_factor(request: HttpRequest) -> bool:
    user = request.user
    if not second_factor.is_required(getattr(user, "staff_role", "")):
        return False
    if not request.session.get(_HAS_SECOND_FACTOR):
        kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
        if not Authenticator.objects.filter(user=user, type__in=kinds).exists():
            return True
        request.session[_HAS_SECOND_FACTOR] = True  # the last one is never removed
    return False


def _has_not_agreed(request: HttpRequest) -> bool:
    version = privacy.current_version()
    if request.session.get(_AGREED) == version:
        return False
    if not privacy.has_agreed(int(str(request.user.pk)), version):
        return True
    remember_agreed(request, version)
    return False


def _lead(request: HttpRequest, path: str) -> HttpResponse:
    if request.headers.get("HX-Request"):  # a part of a page: the whole page goes
        return HttpResponse(status=204, headers={"HX-Redirect": path})
    return HttpResponseRedirect(path)
