"""Who of the desk is looking, and what their role lets them do."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer
from merpati.desk.models import Person


def person_of(viewer: Viewer) -> Person | None:
    """Return the viewer as a person of the desk; None: an administrator who is none. One query."""
    return Person.objects.filter(email=viewer.email).first()


def acting_person(viewer: Viewer) -> Person:
    """Return the viewer as the person who acts. Raises PermissionDenied when they are none."""
    person = person_of(viewer)
    if person is None:
        raise PermissionDenied
    return person


def check_may(viewer: Viewer, act: StaffAct) -> None:
    """Raise PermissionDenied unless the viewer's role lets them do something."""
    if not staff_may(viewer.staff_role, act):
        raise PermissionDenied
