"""The desk's values in words, in the language that is active: one place for pages of both sides."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_lazy, ngettext

from merpati.accounts.models import ServiceTimeZone
from merpati.accounts.roles import Role, StaffRole
from merpati.desk.case_states import Act, Side, Status
from merpati.desk.models import CaseKind, CaseUpdate, Language, LinkKind, Proof, Severity
from merpati.desk.scope import OutOfScope
from merpati.plans.models import MigrationState

STATUS = {
    Status.OPEN: gettext_lazy("Open"),
    Status.WAITING: gettext_lazy("Waiting for the customer"),
    Status.PROPOSED: gettext_lazy("Resolution proposed"),
    Status.RESOLVED: gettext_lazy("Resolved"),
    Status.MERGED: gettext_lazy("Merged"),
}
# As the customer reads it.
STATUS_OF_YOURS = STATUS | {Status.WAITING: gettext_lazy("Waiting for you")}
KIND = {
    CaseKind.PROBLEM: gettext_lazy("Platform problem"),
    CaseKind.CONFIGURATION: gettext_lazy("Configuration request"),
    CaseKind.INFORMATION: gettext_lazy("Information request"),
}
SEVERITY = {
    Severity.URGENT: gettext_lazy("Urgent"),
    Severity.HIGH: gettext_lazy("High"),
    Severity.NORMAL: gettext_lazy("Normal"),
    Severity.LOW: gettext_lazy("Low"),
}
LINK = {
    LinkKind.DOMAIN: gettext_lazy("Domain"),
    LinkKind.SENDING_IP: gettext_lazy("Sending IP"),
    LinkKind.CAMPAIGN: gettext_lazy("Campaign"),
    LinkKind.MESSAGE: gettext_lazy("Message"),
}
SIDE = {Side.CUSTOMER: gettext_lazy("Customer"), Side.DESK: gettext_lazy("Support")}
ZONE = {
    ServiceTimeZone.US_EASTERN: gettext_lazy("US Eastern"),
    ServiceTimeZone.US_PACIFIC: gettext_lazy("US Pacific"),
    ServiceTimeZone.UK: gettext_lazy("UK"),
}
ROLE = {
    Role.OWNER: gettext_lazy("Owner"),
    Role.DEVELOPER: gettext_lazy("Developer"),
    Role.VIEWER: gettext_lazy("Viewer"),
    StaffRole.TAM: gettext_lazy("Technical Account Manager"),
    StaffRole.REPRESENTATIVE: gettext_lazy("Representative"),
    StaffRole.ADMINISTRATOR: gettext_lazy("Administrator"),
}
# What an entry of a case's history is, and the icon that stands beside the words.
ENTRY = {
    CaseUpdate.OPENED: (gettext_lazy("opened the case"), "flag"),
    CaseUpdate.RECOUNT: (gettext_lazy("counted the clock anew: the calendar changed"), "calendar"),
    Act.MESSAGE: (gettext_lazy("wrote"), "message"),
    Act.NOTE: (gettext_lazy("noted, for the desk alone"), "notes"),
    Act.ASK: (gettext_lazy("asked for information"), "message-2-question"),
    Act.PROGRESS: (gettext_lazy("reported progress"), "progress"),
    Act.OUT_OF_SCOPE: (gettext_lazy("answered that this is out of scope"), "info-circle"),
    Act.ASSIGN: (gettext_lazy("made somebody responsible"), "user"),
    Act.SORT: (gettext_lazy("sorted the case"), "adjustments"),
    Act.ESCALATE: (gettext_lazy("escalated the case"), "arrow-up-right"),
    Act.PROPOSE: (gettext_lazy("proposed that the case is resolved"), "scale"),
    Act.WITHDRAW: (gettext_lazy("withdrew the proposal"), "arrow-back-up"),
    Act.AGREE: (gettext_lazy("agreed: the case is resolved"), "circle-check"),
    Act.DISPUTE: (gettext_lazy("disputed the proposal"), "circle-x"),
    Act.CALL: (gettext_lazy("spoke on the telephone"), "phone"),
    Act.MERGE: (gettext_lazy("merged this case into another"), "arrow-merge"),
    Act.TAKE_IN: (gettext_lazy("took another case in"), "arrow-merge"),
    Act.SPLIT: (gettext_lazy("started a new case from an entry"), "git-fork"),
    Act.LINK: (gettext_lazy("linked another case"), "link"),
}
# What the desk writes, as it chooses what a text is.
WRITE = {
    Act.MESSAGE: gettext_lazy("Reply"),
    Act.ASK: gettext_lazy("Ask for information"),
    Act.PROGRESS: gettext_lazy("Progress update"),
    Act.PROPOSE: gettext_lazy("Propose resolution"),
    Act.NOTE: gettext_lazy("Internal note"),
}
SCOPE = {
    OutOfScope.TEMPLATES: gettext_lazy("Creating or translating templates"),
    OutOfScope.INTERNAL_PROJECTS: gettext_lazy("Managing internal projects"),
    OutOfScope.STRATEGY: gettext_lazy("Deliverability strategy"),
    OutOfScope.TIER_2: gettext_lazy("Bespoke (Tier 2) mediation"),
}
# Of the queue, in the order in which they stand.
QUEUE_GROUP = {
    "late": gettext_lazy("Late"),
    "window": gettext_lazy("Due before the desk closes next"),
    "later": gettext_lazy("Due later"),
    "standing": gettext_lazy("The clock stands"),
}
LANGUAGE = {
    Language.ENGLISH: gettext_lazy("English"),
    Language.INDONESIAN: gettext_lazy("Indonesian"),
}
# What is filled in where a canned answer names it.
ANSWER_NAMES = {
    "account": gettext_lazy("the account's name"),
    "customer": gettext_lazy("the name of who opened the case"),
    "due": gettext_lazy("when the desk's next word is due; none while the clock stands"),
    "me": gettext_lazy("your name"),
    "number": gettext_lazy("the case's number"),
    "subject": gettext_lazy("the case's subject"),
}
# By what the sender of a mail is known to be who they say.
PROOF = {
    Proof.DKIM: gettext_lazy("DKIM signature of their domain"),
    Proof.SPF: gettext_lazy("sent by their domain's servers (SPF)"),
    Proof.TOKEN: gettext_lazy("signed address of a case"),
}
STATUS_LOOK = {
    Status.OPEN: "accent",
    Status.WAITING: "warn",
    Status.PROPOSED: "warn",
    Status.RESOLVED: "good",
    Status.MERGED: "",
}
MIGRATION_STATE = {
    MigrationState.DRAFT: gettext_lazy("Draft"),
    MigrationState.RUNNING: gettext_lazy("Running"),
    MigrationState.PAUSED: gettext_lazy("Paused"),
    MigrationState.DONE: gettext_lazy("Done"),
    MigrationState.ROLLED_BACK: gettext_lazy("Rolled back"),
}
MIGRATION_LOOK = {
    MigrationState.RUNNING: "accent",
    MigrationState.PAUSED: "warn",
    MigrationState.DONE: "good",
    MigrationState.ROLLED_BACK: "bad",
}
SEVERITY_LOOK = {Severity.URGENT: "bad", Severity.HIGH: "warn"}


def working_time(minutes: float) -> str:
    """Return "3 hours 20 minutes" of business time; nothing is "0 minutes"."""
    hours, rest = divmod(round(minutes), 60)
    words = []
    if hours:
        words.append(ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours})
    if rest or not hours:
        words.append(ngettext("%(count)d minute", "%(count)d minutes", rest) % {"count": rest})
    return " ".join(words)


def came_by(via: str) -> str:
    """Return by which way an entry came, of its actor in the audit trail ("api:key 1f3a").

    Nothing where somebody signed in and wrote it on a page, as most do.
    """
    way, _, who = via.partition(":")
    match way:
        case "user":
            return ""
        case "link":
            return gettext("On a page, by the link of an email")
        case "email":
            return gettext("By email")
        case "api":
            return gettext("By API, with the key %(key)s") % {"key": who.removeprefix("key ")}
        case "cli":
            return gettext("By command, as %(who)s") % {"who": who}
        case _:
            return via
