"""Whom not to send to: the one thing the engine asks the service while mail moves.

The service marks suppressed recipients at injection. What leaves later than that (scheduled,
retried, held up) is looked up again, since people unsubscribe meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class SuppressionsUnreadable(Exception):
    """The list cannot be read just now; `reason` is shown to the mail's sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Suppressions(Protocol):
    """The suppression lists of all accounts, as of now."""

    def among(
        self, account_id: int, addresses: Sequence[str], transactional: bool
    ) -> Mapping[str, str]:
        """Return which of the addresses (as given) are suppressed, and the source of each.

        Called in threads, several at once. Raises SuppressionsUnreadable.
        """
