"""The one place that says what each room's error is in HTTP.

A new error of a room gets its line here; one that has none is a defect and becomes 500.
Source: sparkpost-api 2 (codes), 3.2 to 3.4, 13.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import DatabaseError, DataError

from merpati.accounts.errors import AccountsError
from merpati.api.errors import ApiError, ErrorItem, refusal
from merpati.api.services import services
from merpati.desk import case_errors as cases
from merpati.desk import errors as desk
from merpati.desk.errors import DeskError
from merpati.events.alerts import AlertNotFound
from merpati.plans.migration import errors as migration
from merpati.plans.migration.errors import MigrationError
from merpati.sending import errors as sending
from merpati.sending import injection_errors as injection
from merpati.sending.errors import SendingError
from merpati.spool.errors import IdempotencyConflict, SpoolUnavailable

log = logging.getLogger(__name__)

_TOLD = (SendingError, AccountsError, DeskError, AlertNotFound, MigrationError)

RETRY_AFTER = {"Retry-After": "1"}
LOGGED_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one class of error is told.

    message: SparkPost's text for the code, the error's own then is the description; empty: the
    error's own text is the message.
    """

    status: int
    code: str = ""
    message: str = ""
    problem: str = "invalid-request"


_KINDS: dict[type[Exception], _Kind] = {
    injection.FieldMissing: _Kind(422, "1400", "required field is missing"),
    injection.FieldInvalid: _Kind(422, "1300", "invalid data format/type"),
    injection.HeaderRefused: _Kind(422, "3002", "invalid header"),
    injection.MetadataTooLarge: _Kind(422, "2007", "metadata too large"),
    injection.SubstitutionDataTooLarge: _Kind(422, "2002", "substitution data too large"),
    injection.SenderUnverified: _Kind(400, "7001", "Invalid domain"),
    injection.PoolUnknown: _Kind(422, "1603", "Subresource not found"),
    injection.PoolWithoutIps: _Kind(400, "1910", "generation not configured"),
    injection.NoValidRecipient: _Kind(400, "5002"),
    injection.AccountSuspended: _Kind(403, "1100", "Forbidden.", "forbidden"),
    sending.InvalidValue: _Kind(422, "1300"),
    sending.SendingIpLimitReached: _Kind(409, "1602", "", "sending-ip-limit-reached"),
    sending.SendingIpInUse: _Kind(409, "1602", "", "conflict"),
    sending.SendingIpNotFound: _Kind(404, "1600", "", "not-found"),
    sending.PoolNotFound: _Kind(404, "1600", "", "not-found"),
    sending.PoolExists: _Kind(409, "1602", "", "conflict"),
    sending.PoolReserved: _Kind(400, "1200"),
    sending.PoolSplit: _Kind(409, "1602", "", "conflict"),
    sending.OverflowRefused: _Kind(400, "1200"),
    sending.WarmupStageRefused: _Kind(400, "1200"),
    sending.DomainExists: _Kind(409, "1602", "resource conflict", "conflict"),
    sending.DomainOfAnotherAccount: _Kind(400, "7004", "", "conflict"),
    sending.DomainNotFound: _Kind(404, "1600", "", "not-found"),
    sending.DnsLookupFailed: _Kind(400, "1404"),
    sending.SuppressionRefused: _Kind(400),
    sending.RecipientsInvalid: _Kind(400),
    sending.SuppressionNotFound: _Kind(404, "", "", "not-found"),
    sending.SuppressionForCompliance: _Kind(403, "", "", "forbidden"),
    sending.EngagementNotFound: _Kind(404, "1600", "", "not-found"),
    AlertNotFound: _Kind(404, "1600", "", "not-found"),
    desk.NothingWithin: _Kind(503, "1500", "Service temporarily unavailable", "unavailable"),
    desk.BeyondCalendar: _Kind(503, "1500", "Service temporarily unavailable", "unavailable"),
    desk.ZoneNotFound: _Kind(404, "1600", "", "not-found"),
    cases.InvalidCase: _Kind(422, "1300"),
    cases.CaseNotFound: _Kind(404, "1600", "", "not-found"),
    cases.AttachmentNotFound: _Kind(404, "1600", "", "not-found"),
    cases.MailNotFound: _Kind(404, "1600", "", "not-found"),
    cases.MailSorted: _Kind(409, "1602", "", "conflict"),
    cases.NotResolved: _Kind(404, "1600", "", "not-found"),
    cases.NoTam: _Kind(404, "1600", "", "not-found"),
    cases.CaseResolved: _Kind(409, "1602", "", "case-resolved"),
    cases.CaseMerged: _Kind(409, "1602", "", "case-merged"),
    cases.NothingProposed: _Kind(409, "1602", "", "nothing-proposed"),
    cases.OwnProposal: _Kind(409, "1602", "", "own-proposal"),
    cases.ProposalOfOther: _Kind(409, "1602", "", "proposal-pending"),
    cases.ProposalPending: _Kind(409, "1602", "", "proposal-pending"),
    cases.OnboardingIncomplete: _Kind(409, "1602", "", "escalation-refused"),
    cases.InvalidCall: _Kind(422, "1300"),
    cases.SlotNotFree: _Kind(409, "1602", "", "slot-not-free"),
    cases.CallBackNotFound: _Kind(404, "1600", "", "not-found"),
    cases.EscalatedBefore: _Kind(409, "1602", "", "escalation-refused"),
    migration.MigrationNotFound: _Kind(404, "1600", "", "not-found"),
    migration.InvalidMigration: _Kind(422, "1300"),
    migration.StepNotFound: _Kind(422, "1300"),
    migration.CellNotFound: _Kind(422, "1300"),
    migration.NothingObserved: _Kind(422, "1300"),
    migration.NameTaken: _Kind(409, "1602", "", "conflict"),
    migration.WrongState: _Kind(409, "1602", "", "conflict"),
    migration.NoSendingIps: _Kind(409, "1602", "", "conflict"),
    migration.NoEgress: _Kind(409, "1602", "", "conflict"),
    migration.NotAllMoved: _Kind(409, "1602", "", "conflict"),
    sending.EgressNotFound: _Kind(422, "1300"),
    sending.EgressExists: _Kind(409, "1602", "", "conflict"),
    sending.EgressInUse: _Kind(409, "1602", "", "conflict"),
    sending.ShareWouldFall: _Kind(409, "1602", "", "conflict"),
    IdempotencyConflict: _Kind(409, "1602", "resource conflict", "conflict"),
}


def as_api_error(error: Exception, request_id: str) -> ApiError:
    """Return what to tell the caller about any exception; what is our own fault is logged here."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, IdempotencyConflict):
        return _told(
            _KINDS[IdempotencyConflict],
            "This Idempotency-Key was used for a different request. Use a new key for a new "
            "request, or send the first one again unchanged.",
        )
    if isinstance(error, injection.NoValidRecipient):
        return _no_valid_recipient(error)
    kind = _KINDS.get(type(error))
    if kind is not None and isinstance(error, _TOLD):
        return _told(kind, error.message, error.field)
    if isinstance(error, (SpoolUnavailable, DatabaseError)):
        return _not_stored(error, request_id)
    log.error("defect request=%s", request_id, exc_info=error)
    return refusal(
        500,
        "Internal server error",
        f"The failure is recorded under request id {request_id}.",
        problem="internal",
    )


def _not_stored(error: Exception, request_id: str) -> ApiError:
    if isinstance(error, DataError):  # its room's checks let it pass: a repeat would not help
        log.error("unfit_text request=%s", request_id, exc_info=error)
        return refusal(
            422,
            "invalid data format/type",
            "A text of this request is too long or holds a NUL character, so nothing was stored.",
            "1300",
        )
    _log_unavailable(error, request_id)
    return refusal(
        503,
        "Service temporarily unavailable",
        "There is no confirmation that the request was stored durably, so do not count on it. "
        "Try again; with the same Idempotency-Key a repeat is safe.",
        "1500",
        "unavailable",
        headers=RETRY_AFTER,
    )


_logged_at: dict[str, float] = {}


def _log_unavailable(error: Exception, request_id: str) -> None:
    """Write one line a second for each kind: thousands would fill the very disk that is full."""
    kind, now = type(error).__name__, services().clock.elapsed()
    if now - _logged_at.get(kind, -LOGGED_EVERY_SECONDS) < LOGGED_EVERY_SECONDS:
        return
    _logged_at[kind] = now
    log.error("unavailable request=%s kind=%s error=%s", request_id, kind, error)


def _told(kind: _Kind, text: str, field: str = "") -> ApiError:
    is_field = field and kind.problem == "invalid-request"  # a conflict is no field's fault
    pointer = "/" + field.replace(".", "/") if is_field else ""
    return refusal(
        kind.status,
        kind.message or text,
        text if kind.message else "",
        kind.code,
        kind.problem,
        pointer,
    )


def _no_valid_recipient(error: injection.NoValidRecipient) -> ApiError:
    """Name the first reasons too: the caller cannot see them otherwise."""
    reasons = list(dict.fromkeys(rejected.reason for rejected in error.rejected))
    description = "; ".join(reasons[:3]) + ("; …" if len(reasons) > 3 else "")
    return ApiError(400, (ErrorItem(error.message, description, "5002"),))
