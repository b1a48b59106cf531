"""A case's history as one column of entries, for `console/cases/timeline.html`.

The one timeline of both sides: customers see no internal notes, the desk sees all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from merpati.console import words
from merpati.desk.case_states import Act, Side
from merpati.desk.models import Case, CaseAttachment, CaseUpdate

# Lines that begin with ">", with the line above that says who wrote them.
_QUOTE = re.compile(r"(?:\n[^\n>]{1,200}:[ \t]*\n+)?(?:^>.*(?:\n|\Z))+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. text: what was written; quoted: what it quotes at its end, folded away.

    side: "customer" or "desk"; note: the facts of the act in a sentence, such as whom it names;
    mail_id: of the mail it came by, for the page that shows it whole; way: by which they came,
    only for the desk.
    """

    id: int
    kind: str
    title: str
    icon: str
    side: str
    name: str
    at: datetime
    text: str
    quoted: str
    note: str
    is_internal: bool
    files: tuple[CaseAttachment, ...]
    mail_id: int | None
    way: str = ""


def entries(case: Case, *, for_desk: bool = False) -> list[Entry]:
    """Return a case's entries in order. Two queries, however long the case."""
    updates = case.updates.select_related("mail").prefetch_related("attachments").order_by("id")
    if not for_desk:
        updates = updates.filter(is_internal=False)
    return [_entry(update, for_desk) for update in updates]


def folded(text: str) -> tuple[str, str]:
    """Return what was written, and what is quoted below it ("" when nothing is).

    Only quotes at the end fold: an answer between quoted lines needs them. Pure.
    """
    last = None
    for last in _QUOTE.finditer(text):  # noqa: B007 - the last one counts
        pass
    if last is None or text[last.end() :].strip() or not text[: last.start()].strip():
        return text, ""
    return text[: last.start()].rstrip(), last[0].strip("\n")


def _entry(update: CaseUpdate, for_desk: bool) -> Entry:
    title, icon = words.ENTRY.get(update.kind, (update.kind, "message"))
    text, quoted = folded(update.text)
    # What the desk wrote by mail is shown to the customer as text: the rest of it is the desk's.
    is_readable = for_desk or update.side == Side.CUSTOMER
    mail = getattr(update, "mail", None) if is_readable else None
    return Entry(
        id=update.pk,
        kind=update.kind,
        title=str(title),
        icon=icon,
        side=update.side,
        name=update.author_name,
        at=update.at,
        text=text,
        quoted=quoted,
        note=_note(update),
        is_internal=update.is_internal,
        files=tuple(update.attachments.all()),
        mail_id=mail.pk if mail else None,
        way=words.came_by(update.via) if for_desk else "",
    )


def _note(update: CaseUpdate) -> str:  # noqa: PLR0911 - one for each kind
    detail = update.detail
    match update.kind:
        case Act.ASSIGN:
            return gettext("Responsible: %(name)s") % {"name": detail.get("name", "")}
        case Act.SORT:
            kind, severity = words.KIND[detail["kind"]], words.SEVERITY[detail["severity"]]
            return f"{kind}, {severity}"
        case Act.ESCALATE:
            return gettext("To the Technical Account Manager, %(name)s") % {
                "name": detail.get("name", "")
            }
        case Act.MERGE | Act.TAKE_IN | Act.SPLIT | Act.LINK:
            return gettext("Case %(number)s: %(subject)s") % {
                "number": detail.get("case", ""),
                "subject": detail.get("subject", ""),
            }
        case _ if "wrote_from" in detail:
            return gettext("Written from %(address)s, which is not their address.") % {
                "address": detail["wrote_from"]
            }
        case _ if detail.get("clock", {}).get("is_late") and update.side == Side.DESK:
            return gettext("Later than promised.")
        case _:
            return ""
