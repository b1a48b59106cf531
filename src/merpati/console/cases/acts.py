"""What a customer does to a case from its page: once, however often the form is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from merpati.adapters.record_signing import LABEL, RecordSigner
from merpati.console.services import services
from merpati.desk import case_actions, watching
from merpati.desk.attachments import NewFile
from merpati.desk.case_opening import NewContact
from merpati.desk.models import Case
from merpati.desk.parties import Party
from merpati.desk.repeats import Request, once

Act = Callable[[int, HttpRequest, Party, datetime], Case]


def _reply(number: int, request: HttpRequest, by: Party, now: datetime) -> Case:
    return case_actions.write(number, _said(request), files_of(request), by=by, now=now)


def _propose(number: int, request: HttpRequest, by: Party, now: datetime) -> Case:
    return case_actions.propose(number, _said(request), by=by, now=now)


def _withdraw(number: int, _: HttpRequest, by: Party, now: datetime) -> Case:
    return case_actions.withdraw(number, by=by, now=now)


def _agree(number: int, request: HttpRequest, by: Party, now: datetime) -> Case:
    signer = RecordSigner(services().secret_box.derive(LABEL))
    return case_actions.agree(number, _said(request), by=by, signer=signer, now=now)


def _dispute(number: int, request: HttpRequest, by: Party, now: datetime) -> Case:
    return case_actions.dispute(number, _said(request), by=by, now=now)


def _escalate(number: int, request: HttpRequest, by: Party, now: datetime) -> Case:
    return case_actions.escalate(number, _said(request), by=by, now=now)


def _watch(number: int, request: HttpRequest, by: Party, now: datetime) -> Case:
    address = _said(request).strip()
    name = address.partition("@")[0] or address
    return watching.watch(number, NewContact(name, address), by=by, now=now)


def _unwatch(number: int, request: HttpRequest, by: Party, now: datetime) -> Case:
    return watching.unwatch(number, _said(request), by=by, now=now)


# Last part of the path → what it does, and what is said when it is done.
ACTS: dict[str, tuple[Act, object]] = {
    "reply": (_reply, gettext_lazy("Sent. Support reads it next.")),
    "propose": (_propose, gettext_lazy("Proposed. Support agrees or disputes.")),
    "withdraw": (_withdraw, gettext_lazy("Your proposal is withdrawn; the case goes on.")),
    "agree": (_agree, gettext_lazy("Agreed: the case is resolved. The record of it is below.")),
    "dispute": (_dispute, gettext_lazy("Disputed: the case goes on, and support has your reason.")),
    "watch": (_watch, gettext_lazy("They read along from now on.")),
    "unwatch": (_unwatch, gettext_lazy("They read along no longer.")),
    "escalate": (_escalate, gettext_lazy("Escalated to your Technical Account Manager.")),
}

# Acts that another one takes back as if nothing had been.
UNDONE_BY = {"watch": "unwatch", "unwatch": "watch"}


def perform(name: str, case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    """Do what a form asks, and return what to say of it.

    Raises DeskError: what the state of the case, or the form, has against it; KeyError.
    """
    act, said = ACTS[name]
    once(request_of(request, case.account_id), lambda: act(case.pk, request, by, now))
    return str(said)


def request_of(request: HttpRequest, account_id: int) -> Request | None:
    """Return a form as a request to be done once; None: it carries no key.

    The content is part of the key: who goes back, changes the text and sends it again, means it.
    """
    if not request.POST.get("form_key"):
        return None
    digest = hashlib.blake2b(request.path.encode(), digest_size=16)
    for name in sorted(request.POST):
        if name != "csrfmiddlewaretoken":
            digest.update(repr((name, request.POST.getlist(name))).encode())
    for file in request.FILES.getlist("files"):
        digest.update(repr((file.name, file.size)).encode())
    fingerprint = digest.hexdigest()
    return Request(account_id, f"page:{fingerprint}", fingerprint)


def files_of(request: HttpRequest) -> list[NewFile]:
    """Return the files that came with a form."""
    return [
        NewFile(file.name or "", b"".join(file.chunks()), file.content_type or "")
        for file in request.FILES.getlist("files")
    ]


def _said(request: HttpRequest) -> str:
    return request.POST.get("text", "")
