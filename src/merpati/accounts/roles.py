"""Who may do what: the one rule that pages ask before they show or do something. Pure.

A member's role counts in one account; a member of the staff has their role everywhere. Grants of
API keys are another matter: `grants.py`.
"""

from __future__ import annotations

from enum import Enum, auto

from django.db import models


class Role(models.TextChoices):
    """A member's role in an account."""

    OWNER = "owner", "Owner"
    DEVELOPER = "developer", "Developer"
    VIEWER = "viewer", "Viewer"


class StaffRole(models.TextChoices):
    """What somebody is who serves all accounts."""

    TAM = "tam", "Technical Account Manager"
    REPRESENTATIVE = "representative", "Representative"
    ADMINISTRATOR = "administrator", "Administrator"


class Act(Enum):
    """What a member may do in their account."""

    SEE = auto()  # cases, people, events, set-up
    WORK_ON_CASES = auto()  # open, answer, propose, agree, dispute; book a call
    SET_UP_SENDING = auto()  # keys, domains, templates, webhooks
    MANAGE_MEMBERS = auto()  # invite, change roles, remove
    ACKNOWLEDGE_ORDER = auto()  # what the order form excludes


class StaffAct(Enum):
    """What a member of the staff may do, in all accounts."""

    SEE_ACCOUNTS = auto()
    WORK_ON_CASES = auto()
    LOOK_AFTER_ACCOUNTS = auto()  # assign TAMs, complete an onboarding
    KEEP_HOURS = auto()  # bank holidays, overrides, absences
    SEE_USERS = auto()  # all users, and who acknowledged what
    MANAGE_USERS = auto()  # invite, disable, change roles


_MEMBERS = {
    Role.OWNER: frozenset(Act),
    Role.DEVELOPER: frozenset({Act.SEE, Act.WORK_ON_CASES, Act.SET_UP_SENDING}),
    Role.VIEWER: frozenset({Act.SEE}),
}
_DESK = frozenset({StaffAct.SEE_ACCOUNTS, StaffAct.WORK_ON_CASES})
_STAFF = {
    StaffRole.REPRESENTATIVE: _DESK,
    StaffRole.TAM: _DESK | {StaffAct.LOOK_AFTER_ACCOUNTS, StaffAct.KEEP_HOURS, StaffAct.SEE_USERS},
    StaffRole.ADMINISTRATOR: frozenset(StaffAct),
}


def member_may(role: str, act: Act) -> bool:
    """Return whether a member with this role may do something; "" is nobody's role."""
    return act in _MEMBERS.get(Role(role), ()) if role else False


def staff_may(staff_role: str, act: StaffAct) -> bool:
    """Return whether somebody with this role in the staff, or none (""), may do something."""
    return act in _STAFF.get(StaffRole(staff_role), ()) if staff_role else False
