"""What can go wrong with a migration; each edge maps these to its own protocol in one place."""

from __future__ import annotations

from datetime import date

from merpati.plans.models import MigrationState


class MigrationError(Exception):
    """Base. message: what was wrong and what to do; field: the input, or ""."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class MigrationNotFound(MigrationError):
    """The account has no such migration."""

    def __init__(self, number: object) -> None:
        super().__init__(f"There is no migration {number}; merpati migration list shows them all")


class InvalidMigration(MigrationError):
    """A value has a shape that cannot be used."""


class NameTaken(MigrationError):
    """The account has a migration of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a migration {name} already; choose another name", "name")


class WrongState(MigrationError):
    """What was asked for does not suit the state the migration is in; nothing was changed."""

    def __init__(self, state: str, wanted: tuple[MigrationState, ...]) -> None:
        words = " or ".join(one.value.replace("_", " ") for one in wanted)
        super().__init__(
            f"The migration is {state.replace('_', ' ')}; this is for one that is {words}. "
            "Nothing was changed."
        )
        self.state, self.wanted = state, wanted


class NoSendingIps(MigrationError):
    """A pool of the plan has no sending IP, so nothing could move."""

    def __init__(self, pools: list[str]) -> None:
        super().__init__(
            f"No sending IP in pool {', '.join(pools)}. Add one first: merpati ip add",
            "pools",
        )
        self.pools = pools


class NoEgress(MigrationError):
    """The plan has no old provider to send by."""

    def __init__(self) -> None:
        super().__init__(
            "The plan's old provider was removed. Add it again with merpati egress add, and make a "
            "new plan",
            "egress",
        )


class NotAllMoved(MigrationError):
    """Some recipients still go the old way."""

    def __init__(self, left: list[str]) -> None:
        super().__init__(
            f"Not all recipients have moved yet: {', '.join(left)}. Wait until they have, or say "
            "that it is to be done all the same (--now)",
            "now",
        )
        self.left = left


class NothingObserved(MigrationError):
    """There is no history to plan from."""

    def __init__(self, since: date) -> None:
        super().__init__(
            f"Nothing was sent since {since}, so there is no traffic to plan from. Give a CSV",
            "traffic",
        )


class StepNotFound(MigrationError):
    """The plan has no such step."""

    def __init__(self, key: str, known: list[str]) -> None:
        super().__init__(f"{key!r} is no step of this plan; it has: {', '.join(known)}", "step")


class CellNotFound(MigrationError):
    """The plan has no such provider, or not in that pool."""

    def __init__(self, provider: str, known: list[str]) -> None:
        super().__init__(
            f"{provider or 'that'} is no provider of this plan; it has: {', '.join(known)}",
            "provider",
        )
