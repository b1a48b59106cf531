"""`/api/merpati/v1/cases`: a customer's support cases, opened, listed, read and exported.

What is done to an open case stands in `case_acts.py`. Source: mission clause C9.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlencode

import msgspec
from django.http import HttpResponse, QueryDict

from merpati.adapters import codec
from merpati.api.call import Call, decode, json_response
from merpati.api.errors import ApiError, ErrorItem, refusal
from merpati.api.own.case_files import GivenFile, new_files
from merpati.api.own.case_request import request_of
from merpati.api.services import services
from merpati.desk import case_document
from merpati.desk.case_opening import NewCase, NewContact, open_case
from merpati.desk.case_search import MOST_A_PAGE, Wanted, case_for, resolution_record
from merpati.desk.case_states import Status
from merpati.desk.models import CaseKind, Language, Severity

PATH = "/api/merpati/v1/cases"
PER_PAGE = 50
_FILTERS = {
    "status": [status.value for status in Status],
    "kind": CaseKind.values,
    "severity": Severity.values,
}


class _Contact(msgspec.Struct):
    name: str
    email: str

    def as_new(self) -> NewContact:
        return NewContact(self.name, self.email)


class _Link(msgspec.Struct):
    kind: str
    value: str


class _NewCase(msgspec.Struct):
    kind: str | None = None
    subject: str | None = None
    text: str | None = None
    contact: _Contact | None = None
    severity: str = Severity.NORMAL.value
    language: str = Language.ENGLISH.value
    watchers: list[_Contact] = []
    links: list[_Link] = []
    files: list[GivenFile] = []


_read_case = codec.json_reader(_NewCase)


def create(call: Call) -> HttpResponse:
    """Open a case; evidence is taken of what it names. A repeated `Idempotency-Key` opens none."""
    body = call.body()
    wanted = decode(body, _read_case)
    case = open_case(
        call.account_id,
        _new_case(wanted),
        via=call.actor,
        sources=services().evidence,
        now=call.now,
        request=request_of(call, body),
    )
    shown = codec.json_bytes({"results": case_document.for_customer(case, call.now)})
    response = json_response(shown, 201)
    response["Location"] = f"{PATH}/{case.pk}"
    return response


def list_all(call: Call) -> HttpResponse:
    """Return the account's cases, the newest first, in pages that a cursor leads on from."""
    query = QueryDict(call.header("QUERY_STRING"))
    limit = _per_page(query)
    chosen = {name: _one_of(query, name) for name in _FILTERS}
    wanted = Wanted(call.account_id, chosen["status"], chosen["kind"], chosen["severity"])
    cases = wanted.page(limit + 1, _before(query.get("cursor", "")))
    body = {
        "results": [case_document.summary(case) for case in cases[:limit]],
        "links": {"next": _next(query, cases[limit - 1].pk)} if len(cases) > limit else {},
    }
    return json_response(codec.json_bytes(body))


def show(call: Call, number: str) -> HttpResponse:
    """Return a case with its timeline, clocks and evidence."""
    case = case_for(call.account_id, int(number))
    return json_response(codec.json_bytes({"results": case_document.for_customer(case, call.now)}))


def export(call: Call, number: str) -> HttpResponse:
    """Return all there is of a case as one file to keep, the resolution record with it."""
    case = case_for(call.account_id, int(number))
    document = case_document.with_record(case_document.for_customer(case, call.now), case)
    return _file(codec.json_bytes({"exported_at": call.now, "case": document}), f"case-{case.pk}")


def record(call: Call, number: str) -> HttpResponse:
    """Return the signed resolution record, as `merpati case verify` reads it."""
    found = resolution_record(case_for(call.account_id, int(number)))
    return _file(codec.json_bytes(found.document), f"case-{found.pk}-resolution")


def _file(body: bytes, name: str) -> HttpResponse:
    response = json_response(body)
    response["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return response


def _new_case(wanted: _NewCase) -> NewCase:
    kind, subject, text, contact = wanted.kind, wanted.subject, wanted.text, wanted.contact
    if not (kind and subject and text and contact):
        names = ("kind", "subject", "text", "contact")
        missing = [name for name in names if not getattr(wanted, name)]
        items = [ErrorItem(f"{name} is required.", pointer=f"/{name}") for name in missing]
        raise ApiError(422, items)
    return NewCase(
        kind,
        subject,
        text,
        contact.as_new(),
        wanted.severity,
        wanted.language,
        [watcher.as_new() for watcher in wanted.watchers],
        [(link.kind, link.value) for link in wanted.links],
        new_files(wanted.files),
    )


def _one_of(query: QueryDict, name: str) -> str | None:
    value = str(query.get(name, "")) or None
    if value is not None and value not in _FILTERS[name]:
        raise _invalid(name, f"must be one of {', '.join(_FILTERS[name])}")
    return value


def _per_page(query: QueryDict) -> int:
    text = query.get("per_page") or str(PER_PAGE)
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_A_PAGE):
        raise _invalid("per_page", f"must be a number from 1 to {MOST_A_PAGE}")
    return int(text)


def _next(query: QueryDict, number: int) -> str:
    kept = [(name, value) for name, value in query.items() if name != "cursor"]
    cursor = urlsafe_b64encode(codec.pack(number)).decode().rstrip("=")
    return f"{PATH}?{urlencode([*kept, ('cursor', cursor)])}"


_read_number = codec.unpacker(int).decode


def _before(cursor: str) -> int | None:
    """Return the number of the last case seen, None for the first page."""
    if not cursor:
        return None
    try:
        number = _read_number(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, codec.DecodeError):  # binascii.Error among them
        number = -1
    if not 0 <= number < 1 << 63:
        raise _invalid("cursor", "is not one that was given out")
    return number


def _invalid(name: str, text: str) -> ApiError:
    return refusal(400, f"{name} {text}")
