"""Looking addresses up in the suppression list of the control database, without Django.

The SQL of the question stands here, for both who ask it: injection, over Django's connection
(`suppression.py`), and the delivery workers, which have no Django, over one of their own. A test
holds it against the model.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from merpati.adapters.codec import json_text
from merpati.contracts.suppressions import SuppressionsUnreadable

BUSY_TIMEOUT_SECONDS = 1.0  # readers wait for nobody in WAL; this is for a database being replaced

# One query whatever the number of addresses: the list goes in as one value. CROSS JOIN keeps
# SQLite from reading the account's whole list first, however it guesses.
AMONG_ON_SQLITE = """
    SELECT wanted.value, s.source
    FROM json_each(?) AS wanted CROSS JOIN sending_suppression AS s
    WHERE s.account_id = ? AND s.recipient = wanted.value AND s.type = ? AND s.list_id = ''
"""


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
    """The lists of a control database, opened for reading at the first question.

    Any thread may ask; they take turns, for an answer takes some 50 µs.
    """

    def __init__(self, database: Path) -> None:
        self._path = database
        self._turn = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def among(
        self, account_id: int, addresses: Sequence[str], transactional: bool
    ) -> Mapping[str, str]:
        """Return which of the addresses are suppressed, and the source of each.

        Raises SuppressionsUnreadable; the next question opens the database anew.
        """
        wanted = (json_text([normal(one) for one in addresses]), account_id, kind_of(transactional))
        with self._turn:
            try:
                found = self._opened().execute(AMONG_ON_SQLITE, wanted).fetchall()
            except sqlite3.Error as error:
                self._close()
                raise SuppressionsUnreadable(str(error)) from error
        return by_address(addresses, dict(found))

    def close(self) -> None:
        """Close the database."""
        with self._turn:
            self._close()

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=BUSY_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
