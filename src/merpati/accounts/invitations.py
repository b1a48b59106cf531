"""Links by which a user chooses a password: one use, seven days, the newest alone.

A token is 256 random bits, so a plain SHA-256 keeps it, as that of an API key.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from merpati.accounts.errors import InvitationInvalid
from merpati.accounts.keys import hash_of
from merpati.accounts.models import Invitation, User

VALID_FOR = timedelta(days=7)


def make(user: User, *, by: str, now: datetime) -> str:
    """Return the token of a new link; earlier ones that were not used end."""
    user.invitations.filter(used_at=None).delete()
    token = secrets.token_urlsafe(32)
    user.invitations.create(
        token_hash=hash_of(token), created_by=by, created_at=now, expires_at=now + VALID_FOR
    )
    return token


def find(token: str, now: datetime) -> Invitation:
    """Return the invitation that a token belongs to, with its user. Raises InvitationInvalid."""
    if not token.isascii():  # no token of ours; surrogates cannot be hashed
        raise InvitationInvalid
    found = (
        Invitation.objects.filter(
            token_hash=hash_of(token), used_at=None, expires_at__gt=now, user__is_active=True
        )
        .select_related("user")
        .first()
    )
    if found is None:
        raise InvitationInvalid
    return found
