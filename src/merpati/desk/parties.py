"""Who acts in a case: a contact of the customer, or a person of the desk."""

from __future__ import annotations

from dataclasses import dataclass

from merpati.desk.case_states import Side
from merpati.desk.models import Person


@dataclass(frozen=True, slots=True)
class Party:
    """Who acts, and how the audit trail names the way they came ("api:key 1f3a", "cli:root").

    name: as the other side reads it. person: of the desk's side.
    """

    side: Side
    name: str
    via: str
    email: str = ""
    person: Person | None = None


def desk_party(person: Person, via: str) -> Party:
    """Return a member of the staff as a party."""
    return Party(Side.DESK, person.name, via, person.email, person)


def customer_party(via: str, name: str = "", email: str = "") -> Party:
    """Return somebody of the customer; without a name, the way they came is all that is known."""
    return Party(Side.CUSTOMER, name or via, via, email)
