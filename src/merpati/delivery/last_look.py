"""The last look at mail that waited: was its recipient suppressed since it was accepted?

What was accepted over a minute ago (scheduled, retried, held up by a limit) is looked up again
right before it is composed, one query a hand-over and kind of mail. A list that cannot be read
sends nobody mail they may have refused by now: the message is put off, as for any trouble of our
own, with the reason in its event; fresh mail flows on. So it is sent once the list can be read
again, at most an hour later, and only if that takes all its life it expires.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merpati.adapters import codec
from merpati.adapters.clock import Clock
from merpati.contracts.batch import Recipient
from merpati.contracts.suppressions import Suppressions, SuppressionsUnreadable
from merpati.delivery.retry import MINUTE_MS
from merpati.spool.shapes import SpooledMessage

if TYPE_CHECKING:
    from merpati.delivery.composing import LoadedContent

log = logging.getLogger(__name__)

FRESH_MS = MINUTE_MS  # so long the look at injection counts

_read_recipient = codec.unpacker(Recipient)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Its recipient is not to be mailed; source: what put them on the list."""

    source: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something of ours cannot be read just now: the message is put off, all others flow."""

    reason: str


Stopped = dict[int, Suppressed | Unreadable]
"""What must not go now, by message id."""


class LastLook:
    """Looks at what a hand-over brings; any thread may ask."""

    def __init__(self, suppressions: Suppressions, clock: Clock) -> None:
        self._suppressions = suppressions
        self._clock = clock
        self._trouble = ""  # of the last look, logged when it changes

    def is_wanted(self, rows: Sequence[SpooledMessage]) -> bool:
        """Return whether any of them waited; else there is nothing to look up."""
        return bool(self._waited(rows))

    def _waited(self, rows: Sequence[SpooledMessage]) -> list[SpooledMessage]:
        fresh_since = self._clock.now() - FRESH_MS
        return [row for row in rows if row.injected_at < fresh_since]

    def stopped(
        self, rows: Sequence[SpooledMessage], contents: Mapping[int, LoadedContent]
    ) -> Stopped:
        """Return which of an account's messages must not go now, and why."""
        waited = self._waited(rows)
        if not waited:
            return {}
        by_kind: dict[bool, list[tuple[SpooledMessage, str]]] = {}
        for row in waited:
            content = contents[row.content_id].content
            if not content.skip_suppression and (rcpt_to := _rcpt_to(row)):
                by_kind.setdefault(content.transactional, []).append((row, rcpt_to))
        stopped: Stopped = {}
        for transactional, some in by_kind.items():
            stopped |= self._among(some, transactional)
        return stopped

    def _among(self, some: Sequence[tuple[SpooledMessage, str]], transactional: bool) -> Stopped:
        account_id = some[0][0].account_id
        try:
            sources = self._suppressions.among(
                account_id, [rcpt_to for _, rcpt_to in some], transactional
            )
        except SuppressionsUnreadable as error:
            self._note(error.reason)
            reason = f"the suppression list cannot be read: {error.reason}"
            return {row.message_id: Unreadable(reason) for row, _ in some}
        self._note("")
        return {
            row.message_id: Suppressed(sources[rcpt_to])
            for row, rcpt_to in some
            if rcpt_to in sources
        }

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                log.error("suppressions_unreadable effect=late_mail_put_off reason=%s", trouble)
            else:
                log.info("suppressions_readable")


def _rcpt_to(row: SpooledMessage) -> str:
    try:
        return _read_recipient.decode(row.recipient).rcpt_to
    except codec.DecodeError:
        return ""  # composing fails it, with a reason
