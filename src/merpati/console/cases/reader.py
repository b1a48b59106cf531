"""Who reads a case's pages on the customer's side: a member, or a contact by their link."""

from __future__ import annotations

from dataclasses import dataclass

from merpati.desk.parties import Party


@dataclass(frozen=True, slots=True)
class Reader:
    """base: path of the case's page for them; by: as whom they act, None: they may only read.

    is_member: of the account, so that other pages are theirs too.
    """

    base: str
    by: Party | None
    is_member: bool = True
