"""What the desk keeps, by subject: calendars, people, cases, calls, what helps to write."""

from merpati.accounts.models import Language
from merpati.desk.models.calendars import (
    BankHoliday,
    ConfirmedYear,
    DatedOverride,
    HolidayList,
    ZoneCalendar,
)
from merpati.desk.models.calls import Call, CallBack
from merpati.desk.models.cases import (
    AnsweredRequest,
    Case,
    CaseAttachment,
    CaseKind,
    CaseLink,
    CaseUpdate,
    LinkKind,
    Notice,
    RelatedCase,
    ResolutionRecord,
    Severity,
)
from merpati.desk.models.clocks import EndedClock
from merpati.desk.models.mail import MailState, Proof, ReceivedMail
from merpati.desk.models.people import (
    Absence,
    Contact,
    Onboarding,
    Person,
    StaffRole,
    TamAssignment,
)
from merpati.desk.models.writing import CannedAnswer, Draft, SavedView

__all__ = [
    "Absence",
    "AnsweredRequest",
    "BankHoliday",
    "Call",
    "CallBack",
    "CannedAnswer",
    "Case",
    "CaseAttachment",
    "CaseKind",
    "CaseLink",
    "CaseUpdate",
    "ConfirmedYear",
    "Contact",
    "DatedOverride",
    "Draft",
    "EndedClock",
    "HolidayList",
    "Language",
    "LinkKind",
    "MailState",
    "Notice",
    "Onboarding",
    "Person",
    "Proof",
    "ReceivedMail",
    "RelatedCase",
    "ResolutionRecord",
    "SavedView",
    "Severity",
    "StaffRole",
    "TamAssignment",
    "ZoneCalendar",
]
