"""What an edge of the API says when it does not do what was asked, and how both styles say it.

SparkPost's paths answer `{"errors": [{message, description, code}]}`; our own answer RFC 9457
problem documents. Source: sparkpost-api 1.5, 1.6 and 2; ux.md section 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merpati.adapters import codec
from merpati.api.own.problem_types import PROBLEM_TYPES

PROBLEMS = "/api/merpati/v1/problems/"  # each type of problem is explained there


@dataclass(frozen=True, slots=True)
class ErrorItem:
    """One thing that was wrong.

    message: SparkPost's text where it has one, compared by programs; description: what exactly;
    code: SparkPost's extended code; pointer: JSON pointer to the field, for our own paths.
    """

    message: str
    description: str = ""
    code: str = ""
    pointer: str = ""

    def as_sparkpost(self) -> dict[str, str]:
        """Return the item as SparkPost writes it: absent members are left out, never null."""
        item = {"message": self.message}
        if self.description:
            item["description"] = self.description
        if self.code:
            item["code"] = self.code
        return item


@dataclass(eq=False)  # not frozen: the interpreter writes to exceptions
class ApiError(Exception):
    """A refusal, ready to be written in either style.

    problem: slug of the problem type; headers: further ones of the answer.
    """

    status: int
    items: Sequence[ErrorItem]
    problem: str = "invalid-request"
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(  # noqa: PLR0917
    status: int,
    message: str,
    description: str = "",
    code: str = "",
    problem: str = "invalid-request",
    pointer: str = "",
    headers: Mapping[str, str] | None = None,
) -> ApiError:
    """Return a refusal with one item."""
    item = ErrorItem(message, description, code, pointer)
    return ApiError(status, (item,), problem, headers or {})


def sparkpost_body(error: ApiError) -> bytes:
    """Return a refusal in SparkPost's envelope."""
    return codec.json_bytes({"errors": [item.as_sparkpost() for item in error.items]})


def problem_body(error: ApiError, request_id: str) -> bytes:
    """Return a refusal as a problem document, RFC 9457."""
    document: dict[str, Any] = {
        "type": PROBLEMS + error.problem,
        "title": PROBLEM_TYPES[error.problem].title,
        "status": error.status,
        "detail": " ".join(item.description or item.message for item in error.items),
        "request_id": request_id,
    }
    fields = [
        {"pointer": item.pointer, "detail": item.description or item.message}
        for item in error.items
        if item.pointer
    ]
    if fields:
        document["errors"] = fields
    return codec.json_bytes(document)
