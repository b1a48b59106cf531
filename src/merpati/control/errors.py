"""What can go wrong in this room; `message` is for people: which setting, what, what to do."""

from __future__ import annotations


class ControlError(Exception):
    """Base of this room's errors."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class DatabaseUnusable(ControlError):
    """The control database cannot be used as the setting names it."""


class DatabaseInUse(ControlError):
    """Another Merpati runs on this database."""


class ControlUnreadable(ControlError):
    """The control data cannot be read just now."""
