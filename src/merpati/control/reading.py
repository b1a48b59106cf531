"""Reading the control database without Django: for the delivery workers, which have none."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from merpati.control.errors import ControlUnreadable, DatabaseUnusable
from merpati.control.opening import connect, open_to_read
from merpati.control.place import ControlPlace, PostgresPlace

BUSY_SECONDS = 1.0  # readers wait for nobody in WAL; this is for a file being replaced
# The engine waits for the answer: a server that is slow or away must not hold fresh mail up.
ANSWER_SECONDS = 2
REST_SECONDS = 5.0  # after a failure, before the server is tried again
_SHORT = {
    "connect_timeout": ANSWER_SECONDS,
    "tcp_user_timeout": ANSWER_SECONDS * 1000,
    "options": f"-c statement_timeout={ANSWER_SECONDS}s -c default_transaction_read_only=on",
}


class ControlReader:
    """One connection, opened at the first question. Any thread may ask; they take turns."""

    def __init__(self, place: ControlPlace) -> None:
        self._place = place
        self._turn = threading.Lock()
        self._db: Any = None
        self._trouble = ""
        self._next_try = 0.0
        self.vendor = "postgresql" if isinstance(place, PostgresPlace) else "sqlite"

    def ask(self, question: Mapping[str, str], values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows that answer a question. question: its SQL by vendor.

        Raises ControlUnreadable; a later question opens the database anew.
        """
        with self._turn:
            if time.monotonic() < self._next_try:
                raise ControlUnreadable(self._trouble)
            try:
                if self._db is None:
                    self._db = self._opened()
                rows: list[tuple[Any, ...]] = self._db.execute(
                    question[self.vendor], values
                ).fetchall()
            except (sqlite3.Error, DatabaseUnusable) as error:
                raise self._failed(error) from error
            except Exception as error:
                if not type(error).__module__.startswith("psycopg"):
                    raise
                raise self._failed(error) from error
            return rows

    def close(self) -> None:
        """Close the database."""
        with self._turn:
            self._close()

    def _opened(self) -> Any:
        if isinstance(self._place, PostgresPlace):
            return connect(self._place, **_SHORT)
        return open_to_read(self._place, BUSY_SECONDS)

    def _failed(self, error: Exception) -> ControlUnreadable:
        self._close()
        self._trouble = str(error).strip()
        if isinstance(self._place, PostgresPlace):
            self._next_try = time.monotonic() + REST_SECONDS
        return ControlUnreadable(self._trouble)

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
