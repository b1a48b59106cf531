"""Files of a case by API: they come as base64 within the JSON of a case or a message.

`GET /api/merpati/v1/cases/{number}/files/{id}` gives one back, as a download and never otherwise.
Source: RFC 4648 4 (base64); sparkpost-api 3.2 (attachments: name, type, data).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.http import HttpResponse

from merpati.api.call import Call
from merpati.desk import attachments
from merpati.desk.attachments import NewFile
from merpati.desk.case_errors import AttachmentNotFound
from merpati.desk.case_search import case_for


class GivenFile(msgspec.Struct):
    """A file as a body has it; data: base64."""

    name: str
    data: bytes
    type: str = ""


def new_files(given: Sequence[GivenFile]) -> list[NewFile]:
    """Return the files of a body as the desk takes them."""
    return [NewFile(file.name, file.data, file.type) for file in given]


def show(call: Call, number: str, file_id: str) -> HttpResponse:
    """Give a file of a case back; one of an internal note is none of the customer's."""
    case = case_for(call.account_id, int(number))
    found = attachments.attachment_of(case, int(file_id), for_customer=True)
    try:
        content = attachments.content(found)
    except FileNotFoundError:  # somebody removed it from the folder
        raise AttachmentNotFound(case.pk, found.pk) from None
    return HttpResponse(content, headers=attachments.download_headers(found.name))
