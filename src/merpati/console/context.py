"""What every template knows: who is looking, where they can go, language and theme."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from merpati import __version__
from merpati.console.access import viewer_of
from merpati.console.middleware import SHORTCUTS_COOKIE, theme_of
from merpati.console.navigation import links


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return what `console/base.html` shows around a page."""
    viewer = viewer_of(request)
    shown = links(viewer, request.path)
    rare = [link for link in shown if link.is_rare]
    return {
        "viewer": viewer,
        "navigation": [link for link in shown if not link.is_rare],
        "rare_links": rare,
        "is_in_rare_links": any(link.is_current for link in rare),
        "languages": settings.LANGUAGES,
        "theme": theme_of(request),
        "here": request.get_full_path(),
        "request_id": getattr(request, "request_id", ""),
        "has_shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off",
        "version": __version__,
        "zone_name": timezone.get_current_timezone_name(),
    }
