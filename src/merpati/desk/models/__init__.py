"""What the desk keeps, by subject: calendars, people, cases."""

from merpati.desk.models.calendars import (
    BankHoliday,
    ConfirmedYear,
    DatedOverride,
    HolidayList,
    ZoneCalendar,
)
from merpati.desk.models.cases import (
    AnsweredRequest,
    Case,
    CaseKind,
    CaseLink,
    CaseUpdate,
    LinkKind,
    ResolutionRecord,
    Severity,
)
from merpati.desk.models.people import (
    Absence,
    Contact,
    Language,
    Onboarding,
    Person,
    StaffRole,
    TamAssignment,
)

__all__ = [
    "Absence",
    "AnsweredRequest",
    "BankHoliday",
    "Case",
    "CaseKind",
    "CaseLink",
    "CaseUpdate",
    "ConfirmedYear",
    "Contact",
    "DatedOverride",
    "HolidayList",
    "Language",
    "LinkKind",
    "Onboarding",
    "Person",
    "ResolutionRecord",
    "Severity",
    "StaffRole",
    "TamAssignment",
    "ZoneCalendar",
]
