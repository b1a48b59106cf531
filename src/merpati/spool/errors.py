"""What the spool can refuse; `kind` is how a refusal is named on the worker's socket."""

from __future__ import annotations

from typing import ClassVar


class SpoolError(Exception):
    """Base of the room's errors. subject: what the error was made of, and can be made of again."""

    kind: ClassVar[str] = "spool_error"

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject


class SpoolUnavailable(SpoolError):
    """Nothing was made durable: the disk, the file or the worker fails. Try again later.

    The operation may be repeated: whatever it would have written was rolled back. (Only if the
    process also dies between the failed sync and the next commit can the disk still hold it.)
    """

    kind = "spool_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SpoolFull(SpoolUnavailable):
    """The disk is below its reserve: nothing more is accepted, what was accepted goes on."""

    kind = "spool_full"


class ContentUnreadable(SpoolUnavailable):
    """One batch's content cannot be read just now; the shard and all else in it are well."""

    kind = "content_unreadable"


class ShardInUse(SpoolUnavailable):
    """Another process, or another object of this one, writes to this shard."""

    kind = "shard_in_use"


class IdempotencyConflict(SpoolError):
    """The key was used within 24 hours for another request; nothing was stored."""

    kind = "idempotency_conflict"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"idempotency key {self.key!r} was used for a different request"


class BatchRefused(SpoolError):
    """The batch is malformed; only a defect of the caller makes one. Nothing was stored."""

    kind = "batch_refused"
