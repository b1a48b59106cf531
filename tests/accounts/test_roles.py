"""Who may do what: each role's rights as a table, so that a change of one is seen here."""

from __future__ import annotations

import pytest

from merpati.accounts.roles import Act, Role, StaffAct, StaffRole, member_may, staff_may


@pytest.mark.parametrize(
    ("role", "acts"),
    [
        (Role.OWNER, set(Act)),
        (Role.DEVELOPER, {Act.SEE, Act.WORK_ON_CASES, Act.SET_UP_SENDING}),
        (Role.VIEWER, {Act.SEE}),
        ("", set()),
    ],
)
def test_a_member_may_do_what_their_role_says(role: str, acts: set[Act]) -> None:
    assert {act for act in Act if member_may(role, act)} == acts


@pytest.mark.parametrize(
    ("role", "forbidden"),
    [
        (StaffRole.ADMINISTRATOR, set()),
        (StaffRole.TAM, {StaffAct.MANAGE_USERS}),
        (StaffRole.REPRESENTATIVE, set(StaffAct) - {StaffAct.SEE_ACCOUNTS, StaffAct.WORK_ON_CASES}),
        ("", set(StaffAct)),
    ],
)
def test_staff_may_do_what_their_role_says(role: str, forbidden: set[StaffAct]) -> None:
    assert {act for act in StaffAct if not staff_may(role, act)} == forbidden
