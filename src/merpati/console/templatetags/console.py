"""Template tags of the console: icons, moments, the desk's values in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext

from merpati.console import undo, words
from merpati.console.provider_names import provider_name
from merpati.console.services import services

register = template.Library()

MOMENT = "D j M Y, H:i"
_JUST = 45  # seconds
_TABLES: dict[str, dict[Any, Any]] = {
    "status": words.STATUS,
    "status_of_yours": words.STATUS_OF_YOURS,
    "kind": words.KIND,
    "severity": words.SEVERITY,
    "link": words.LINK,
    "side": words.SIDE,
    "zone": words.ZONE,
    "role": words.ROLE,
    "queue_group": words.QUEUE_GROUP,
    "language": words.LANGUAGE,
    "proof": words.PROOF,
    "status_look": words.STATUS_LOOK,
    "severity_look": words.SEVERITY_LOOK,
    "migration_state": words.MIGRATION_STATE,
    "migration_look": words.MIGRATION_LOOK,
}


register.filter("undo_offer", undo.offer_of)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return an icon of the sprite; it only decorates, so that readers of screens skip it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("console/icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def include_with(context: template.Context, name: str, given: dict[str, Any]) -> SafeString:
    """Render a template with what a page computed for it, for pages that list templates."""
    shared = {key: context[key] for key in ("csrf_token", "here") if key in context}
    return render_to_string(name, shared | given)


@register.filter
def words_for(value: str, table: str) -> str:
    """Return a value of the desk in words: `{{ case.status|words_for:"status" }}`."""
    return str(_TABLES[table].get(value, ""))


register.filter("provider_name", provider_name)


@register.filter
def entry_title(kind: str) -> str:
    """Return what an entry of a case's history did, in words."""
    return str(words.ENTRY[kind][0]) if kind in words.ENTRY else kind


@register.filter
def is_past(at: datetime) -> bool:
    """Return whether a moment is over."""
    return at < services().now


@register.filter
def working_time(minutes: float) -> str:
    """Return minutes of business time in words."""
    return words.working_time(minutes)


@register.simple_tag
def moment(at: datetime | None, form: str = "both") -> SafeString | str:
    """Show a moment in the viewer's zone, its zone as the title, how far it is from now beside it.

    form: "both", "absolute" or "relative".
    """
    if at is None:
        return ""
    local = timezone.localtime(at)
    absolute = date_format(local, MOMENT)
    text = {
        "absolute": absolute,
        "relative": relative(at, services().now),
        "both": f"{absolute} ({relative(at, services().now)})",
    }[form]
    return format_html(
        '<time datetime="{}" title="{} {} (UTC{})">{}</time>',
        local.isoformat(timespec="seconds"),
        absolute,
        timezone.get_current_timezone_name(),
        _offset(local),
        text,
    )


@register.simple_tag
def clock_of(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment by another clock than the viewer's, which it names."""
    return f"{date_format(at.astimezone(zone), MOMENT)} {zone.key}"


@register.simple_tag
def moment_text(text: str) -> SafeString | str:
    """Show a moment that a document has as text, ISO 8601."""
    return moment(datetime.fromisoformat(text), "absolute")


def relative(at: datetime, now: datetime) -> str:
    """Return "in 3 hours", "2 days ago" or "just now"."""
    if abs((at - now).total_seconds()) < _JUST:
        return gettext("just now")
    if at > now:
        return gettext("in %(time)s") % {"time": timesince(now, at, depth=1)}
    return gettext("%(time)s ago") % {"time": timesince(at, now, depth=1)}


def _offset(local: datetime) -> str:
    text = local.strftime("%z")
    return f"{text[:3]}:{text[3:]}"
