"""Where a user is signed in: the list they see, and how a session ends.

allauth notes each session when it begins; `LastUse` notes later when it was used last, once in five
minutes, so that looking at pages writes hardly anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from merpati.console.services import services

NOTED_EVERY = timedelta(minutes=5)
_NOTED = "last_use_noted"

_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")  # each names itself before the next
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One session as its user sees it."""

    id: int
    device: str
    address: str
    began_at: datetime
    last_used_at: datetime
    is_current: bool


def sessions_of(user_id: int, current_key: str | None, now: datetime) -> list[SignedIn]:
    """Return a user's sessions that still hold, the one used last first. Two queries."""
    noted = {found.session_key: found for found in UserSession.objects.filter(user_id=user_id)}
    alive = Session.objects.filter(session_key__in=noted, expire_date__gt=now)
    listed = [
        SignedIn(
            noted[key].pk,
            device_named(noted[key].user_agent),
            noted[key].ip,
            noted[key].created_at,
            noted[key].last_seen_at,
            key == current_key,
        )
        for key in alive.values_list("session_key", flat=True)
    ]
    return sorted(listed, key=lambda s: (s.is_current, s.last_used_at), reverse=True)


def end_sessions(user_id: int, ids: Iterable[int] | None = None, but: str | None = None) -> int:
    """End sessions of a user, these or all; return how many. but: the key of one that goes on."""
    ended = UserSession.objects.filter(user_id=user_id)
    if ids is not None:
        ended = ended.filter(pk__in=list(ids))
    keys = list(ended.exclude(session_key=but or "").values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return len(keys)


def forget_ended(now: datetime) -> None:
    """Delete sessions that are over by their age, and what was noted of sessions that are gone."""
    Session.objects.filter(expire_date__lt=now).delete()
    alive = Session.objects.values("session_key")
    UserSession.objects.exclude(session_key__in=alive).delete()


def device_named(user_agent: str) -> str:
    """Return browser and system in a few words; what is not known is said to be so."""
    browser = next((name for name in _BROWSERS if f"{name}/" in user_agent), "")
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    spoken = {"Edg": "Edge", "OPR": "Opera", "Macintosh": "Mac"}
    names = [spoken.get(name, name) for name in (browser, system) if name]
    if names:
        return ", ".join(names)
    first = re.match(r"[\w.-]{1,40}", user_agent)
    return first[0] if first else gettext("Unknown device")


class LastUse:
    """Notes when a session was used last, and from where."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Take the rest of the chain."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, having noted."""
        if request.user.is_authenticated:
            now = services().now.timestamp()
            if now - request.session.get(_NOTED, 0) > NOTED_EVERY.total_seconds():
                request.session[_NOTED] = now
                UserSession.objects.filter(session_key=request.session.session_key).update(
                    last_seen_at=services().now,
                    ip=request.META["REMOTE_ADDR"],
                    user_agent=request.headers.get("user-agent", "")[:200],
                )
        return self._get_response(request)
