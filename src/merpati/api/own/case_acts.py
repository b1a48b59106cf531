"""`POST /api/merpati/v1/cases/{number}/…`: what a customer does to a case.

Each answers with the whole case as it stands then; one with an `Idempotency-Key` is done once.
Source: mission clause C9.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from django.http import HttpResponse

from merpati.adapters import codec
from merpati.adapters.record_signing import LABEL, RecordSigner
from merpati.api.call import Call, Handler, decode, json_response
from merpati.api.own.case_files import GivenFile, new_files
from merpati.api.own.case_request import request_of
from merpati.api.services import services
from merpati.desk import case_actions, case_document
from merpati.desk.case_errors import InvalidCase
from merpati.desk.case_search import case_for
from merpati.desk.checks import checked_email, checked_line
from merpati.desk.models import Case
from merpati.desk.parties import Party, customer_party
from merpati.desk.repeats import once


class _Contact(msgspec.Struct):
    name: str
    email: str


class _Said(msgspec.Struct):
    text: str = ""
    reason: str = ""
    contact: _Contact | None = None
    files: list[GivenFile] = []


_read_said = codec.json_reader(_Said)
_Act = Callable[[int, _Said, Party, Call], Case]


def _write(number: int, said: _Said, by: Party, call: Call) -> Case:
    return case_actions.write(number, said.text, new_files(said.files), by=by, now=call.now)


def _propose(number: int, said: _Said, by: Party, call: Call) -> Case:
    return case_actions.propose(number, said.text, new_files(said.files), by=by, now=call.now)


def _withdraw(number: int, _said: _Said, by: Party, call: Call) -> Case:
    return case_actions.withdraw(number, by=by, now=call.now)


def _agree(number: int, said: _Said, by: Party, call: Call) -> Case:
    signer = RecordSigner(services().secret_box.derive(LABEL))
    return case_actions.agree(number, said.text, by=by, signer=signer, now=call.now)


def _dispute(number: int, said: _Said, by: Party, call: Call) -> Case:
    return case_actions.dispute(number, said.reason, by=by, now=call.now)


def _escalate(number: int, said: _Said, by: Party, call: Call) -> Case:
    return case_actions.escalate(number, said.reason, by=by, now=call.now)


def _handler(act: _Act) -> Handler:
    def handle(call: Call, number: str) -> HttpResponse:
        case = case_for(call.account_id, int(number))  # before the body: whose case is it
        body = call.body()
        said = decode(body, _read_said) if body else _Said()  # to agree takes no words
        by = _party(call, said.contact)
        done = once(request_of(call, body), lambda: act(case.pk, said, by, call))
        return json_response(
            codec.json_bytes({"results": case_document.for_customer(done, call.now)})
        )

    return handle


def _party(call: Call, contact: _Contact | None) -> Party:
    """Return who acts: the contact that the call names, else all that is known is the key."""
    if contact is None:
        return customer_party(call.actor)
    return customer_party(
        call.actor,
        checked_line(contact.name, "contact.name", InvalidCase),
        checked_email(contact.email, "contact.email", InvalidCase),
    )


ACTS: dict[str, Handler] = {
    "messages": _handler(_write),
    "propose": _handler(_propose),
    "withdraw": _handler(_withdraw),
    "agree": _handler(_agree),
    "dispute": _handler(_dispute),
    "escalate": _handler(_escalate),
}
"""Last part of the path → what it does."""
