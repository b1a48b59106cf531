"""What we do at once when a reply blames our sending IP or domain: as data, with its source.

A provider's own reactions stand beside its replies in `directory.toml`; what is done about a cause
wherever nothing else is said stands in `replies.toml`. A reply that blames anything else
(recipient, message, their own trouble) changes no pace. How steps go down and come back:
`delivery/learned_pace.py`.
"""

from __future__ import annotations

import msgspec

LONGEST_MINUTES = 24 * 60  # of a pause, whatever repeats


class Reaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All fields together; none of them is no reaction, also where the cause would have one.

    after: so many such replies within an hour bring it about. pause_minutes: nothing is begun.
    slow_minutes: how long the lowest pace lasts, after the pause; that pace is the least of
    `connections`, `messages_per_connection`, `messages_per_minute` and, with `halve`, half of what
    it was. pause_when_repeated_minutes: the pause from the second time on, while the first is not
    forgotten. allowance_percent: what is left of the sending IP's allowance of today.
    """

    after: int = 1
    pause_minutes: int = 0
    pause_when_repeated_minutes: int = 0
    slow_minutes: int = 0
    connections: int | None = None
    messages_per_connection: int | None = None
    messages_per_minute: int | None = None
    halve: bool = False
    allowance_percent: int = 100
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be carried out, or would last for ever."""
        minutes = (self.pause_minutes, self.pause_when_repeated_minutes, self.slow_minutes)
        if not all(0 <= one <= LONGEST_MINUTES for one in minutes):
            raise ValueError(f"a reaction lasts 0 to {LONGEST_MINUTES} minutes, got {minutes}")
        caps = (self.connections, self.messages_per_connection, self.messages_per_minute)
        if any(cap is not None and cap < 1 for cap in caps):
            raise ValueError("a pace has one connection, message or message a minute at least")
        if self.after < 1 or not 1 <= self.allowance_percent <= 100:
            raise ValueError("`after` is 1 at least, `allowance_percent` 1 to 100")
        slows = self.halve or any(cap is not None for cap in caps)
        if slows and not (self.slow_minutes or self.pause_minutes):
            raise ValueError("a slower pace needs `slow_minutes`")

    @property
    def holds_back(self) -> bool:
        """Return whether next to nothing goes after it, so that one refusal stands for many."""
        return bool(self.pause_minutes or self.messages_per_minute)

    def __bool__(self) -> bool:
        """Return whether anything is done."""
        return bool(
            self.pause_minutes
            or self.pause_when_repeated_minutes
            or self.slow_minutes
            or self.allowance_percent < 100
        )
