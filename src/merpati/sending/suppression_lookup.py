"""Looking addresses up in the suppression list, for the delivery workers, which have no Django.

Injection asks the same over Django's connection (`suppression.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merpati.adapters.codec import json_text
from merpati.contracts.suppressions import SuppressionsUnreadable
from merpati.control.errors import ControlUnreadable
from merpati.control.place import ControlPlace
from merpati.control.reading import ControlReader
from merpati.sending.suppression_sql import AMONG


def normal(address: str) -> str:
    """Return an address as it is kept and matched."""
    return address.strip().lower()


def kind_of(transactional: bool) -> str:
    """Return the type of suppression that stops such mail; `models.SuppressionType`'s values."""
    return "transactional" if transactional else "non_transactional"


def by_address(addresses: Sequence[str], sources: Mapping[str, str]) -> dict[str, str]:
    """Return the sources of addresses as given, from those of their normal forms."""
    if not sources:
        return {}
    return {
        address: sources[matched]
        for address in addresses
        if (matched := normal(address)) in sources
    }


class SuppressionReader:
    """The lists of a control database; any thread may ask. An answer takes some 50 µs."""

    def __init__(self, place: ControlPlace) -> None:
        self._control = ControlReader(place)

    def among(
        self, account_id: int, addresses: Sequence[str], transactional: bool
    ) -> Mapping[str, str]:
        """Return which of the addresses are suppressed, and the source of each.

        Raises SuppressionsUnreadable.
        """
        wanted = (json_text([normal(one) for one in addresses]), account_id, kind_of(transactional))
        try:
            found = self._control.ask(AMONG, wanted)
        except ControlUnreadable as error:
            raise SuppressionsUnreadable(error.message) from error
        return by_address(addresses, dict(found))

    def close(self) -> None:
        """Close the database."""
        self._control.close()
