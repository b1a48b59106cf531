"""What can go wrong in this room; `message` is for people: what was wrong and what to do."""

from __future__ import annotations


class UpkeepError(Exception):
    """Base of this room's errors."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BackupFailed(UpkeepError):
    """No backup was made; what was begun is not under the backup's name."""


class BackupDamaged(UpkeepError):
    """A backup is not what its list says, so nothing was restored from it."""


class TargetInUse(UpkeepError):
    """There is something already where a backup or a restored copy is to be."""


class SettingNotChanged(UpkeepError):
    """A settings file was left as it is, since it would not have come to what was wanted."""


class TransferFailed(UpkeepError):
    """Control data were not copied to another database; the target is as it was."""
