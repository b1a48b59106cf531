"""What people have begun to write in a case: kept over a reload, and a sign that they are at it."""

from __future__ import annotations

from datetime import datetime, timedelta

from merpati.desk.checks import TEXT_LENGTH
from merpati.desk.models import Case, Draft, Person

WRITING = timedelta(minutes=2)  # since the last letter was saved


def save_draft(person: Person, case: Case, text: str, now: datetime) -> None:
    """Keep what a person has written so far; nothing written forgets the draft."""
    text = text.replace("\r\n", "\n")[:TEXT_LENGTH]
    if not text.strip():
        drop_draft(person, case)
        return
    Draft.objects.update_or_create(
        person=person, case=case, defaults={"text": text, "saved_at": now}
    )


def drop_draft(person: Person, case: Case) -> None:
    """Forget what a person has written: it was sent, or thrown away."""
    Draft.objects.filter(person=person, case=case).delete()


def drafts_of(case: Case) -> list[Draft]:
    """Return everybody's drafts in a case, their people loaded. One query."""
    return list(case.drafts.select_related("person").order_by("saved_at"))


def own_text(drafts: list[Draft], person: Person | None) -> str:
    """Return what a person has written so far; nothing: an empty text."""
    return next((draft.text for draft in drafts if draft.person == person), "")


def others_writing(drafts: list[Draft], person: Person | None, now: datetime) -> list[str]:
    """Return the names of others who wrote within the last two minutes."""
    return [
        draft.person.name
        for draft in drafts
        if draft.person != person and now - draft.saved_at <= WRITING
    ]
