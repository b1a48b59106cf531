"""A desk with people, an account in London, and its case, for tests of what is done to cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from merpati.accounts.models import Account
from merpati.adapters.record_signing import RecordSigner
from merpati.desk import case_actions, people
from merpati.desk.case_opening import NewCase, NewContact, open_case
from merpati.desk.evidence import Sources
from merpati.desk.models import Case, Person
from merpati.desk.parties import Party, customer_party, desk_party
from tests.support.control import make_account

BY = "test:somebody"
SIGNER = RecordSigner(b"s" * 32)
SARI = NewContact("Sari", "sari@kirim.example")


def uk(text: str) -> datetime:
    """Return a moment of 2026 in UTC, "03-02 09:30", which is London's time in winter."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


MONDAY = uk("03-02 09:00")


def add_person(name: str, role: str = "representative", now: datetime = MONDAY) -> Person:
    return people.add_person(
        name,
        f"{name.lower()}@desk.example",
        role=role,
        language="en",
        phone="+44 20 7946 0000",
        by=BY,
        now=now,
    )


@dataclass
class Desk:
    """One case and both its sides; each act is `desk.does(act, minute, …)`."""

    folder: Path
    account: Account = field(default_factory=make_account)
    person: Person = field(default_factory=lambda: add_person("Budi"))

    @property
    def sources(self) -> Sources:
        return Sources(self.folder / "events", self.folder / "spool")

    @property
    def budi(self) -> Party:
        return desk_party(self.person, "cli:budi")

    @property
    def sari(self) -> Party:
        return customer_party("api:key 1f3a", SARI.name, SARI.email)

    def opens(self, now: datetime = MONDAY, **fields: Any) -> Case:
        given: dict[str, Any] = {
            "kind": "platform_problem",
            "subject": "Mail to Penerima waits",
            "text": "Since this morning.",
            "contact": SARI,
        }
        return open_case(
            self.account.pk,
            NewCase(**(given | fields)),
            via="api:key 1f3a",
            sources=self.sources,
            now=now,
        )

    def resolved(self, now: datetime = MONDAY) -> Case:
        """Return a case that both sides agreed on."""
        case = self.opens(now)
        case_actions.propose(case.pk, "It flows again.", by=self.budi, now=now)
        return case_actions.agree(case.pk, by=self.sari, signer=SIGNER, now=now)
