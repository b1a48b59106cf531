"""Who needs a second factor: an authenticator app or a passkey, besides the password."""

from __future__ import annotations

from django.conf import settings


def is_required(staff_role: str) -> bool:
    """Return whether somebody must have one, by the setting console.second_factor."""
    wanted: str = settings.CONSOLE_SECOND_FACTOR
    return wanted == "everybody" or (wanted == "staff" and bool(staff_role))
