"""The header's links, by who is looking: whoever adds a page adds its line here.

What is used many times a day stands in the bar itself; the rest behind "More", so that the bar
keeps to one row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer


def _customers(viewer: Viewer) -> bool:
    return bool(viewer.parts)


def _staff(viewer: Viewer) -> bool:
    return viewer.is_staff


def _who_see_users(viewer: Viewer) -> bool:
    return staff_may(viewer.staff_role, StaffAct.SEE_USERS)


def _who_manage_users(viewer: Viewer) -> bool:
    return staff_may(viewer.staff_role, StaffAct.MANAGE_USERS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One link; shown_to: whether it is for a viewer; is_rare: it stands behind "More"."""

    path: str
    title: str | Promise
    icon: str
    shown_to: Callable[[Viewer], bool]
    is_rare: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as a page shows it."""

    path: str
    title: str
    icon: str
    is_current: bool
    is_rare: bool


ENTRIES = (
    Entry("/", gettext_lazy("Home"), "home", _customers),
    Entry("/cases", gettext_lazy("Cases"), "inbox", _customers),
    Entry("/contact", gettext_lazy("Contact"), "phone", _customers),
    Entry("/campaigns", gettext_lazy("Campaigns"), "calendar", _customers, is_rare=True),
    Entry("/warm-up", gettext_lazy("Warm-up"), "progress", _customers, is_rare=True),
    Entry("/alerts", gettext_lazy("Alerts"), "alert-triangle", _customers, is_rare=True),
    Entry("/desk", gettext_lazy("Queue"), "inbox", _staff),
    Entry("/desk/cases", gettext_lazy("All cases"), "list", _staff),
    Entry("/desk/accounts", gettext_lazy("Accounts"), "building", _staff),
    Entry("/desk/alerts", gettext_lazy("Alerts"), "alert-triangle", _staff, is_rare=True),
    Entry("/desk/people", gettext_lazy("People of the desk"), "users", _staff, is_rare=True),
    Entry("/desk/answers", gettext_lazy("Canned answers"), "notes", _staff, is_rare=True),
    Entry("/desk/reports/service", gettext_lazy("Service report"), "report", _staff, is_rare=True),
    Entry("/desk/migrations", gettext_lazy("Migrations"), "send", _staff, is_rare=True),
    Entry("/migrations", gettext_lazy("Migrations"), "send", _customers, is_rare=True),
    Entry("/service-report", gettext_lazy("Service report"), "report", _customers, is_rare=True),
    Entry("/users", gettext_lazy("Members"), "users", _customers, is_rare=True),
    Entry("/order-form", gettext_lazy("Order form"), "file-certificate", _customers, is_rare=True),
    Entry("/users/all", gettext_lazy("All users"), "users", _who_see_users, is_rare=True),
    Entry("/users/staff", gettext_lazy("Staff"), "shield-lock", _who_manage_users, is_rare=True),
    Entry("/me", gettext_lazy("You"), "user", lambda _viewer: True),
)


def links(viewer: Viewer | None, path: str) -> list[Link]:
    """Return what the header of a page links to; the page is one of them, or lies below it."""
    if viewer is None:
        return []
    shown = [entry for entry in ENTRIES if entry.shown_to(viewer)]
    # "/desk/cases" lies below "/desk" too: the longest wins.
    below = [e.path for e in shown if path == e.path or path.startswith(e.path.rstrip("/") + "/")]
    current = max(below, key=len, default="")
    if current == "/" and path != "/":
        current = ""
    return [
        Link(entry.path, str(entry.title), entry.icon, entry.path == current, entry.is_rare)
        for entry in shown
    ]
