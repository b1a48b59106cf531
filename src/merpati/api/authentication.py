"""Whose request this is: the API key in any of its three forms.

Source: sparkpost-api 1.3 (raw key or Basic; the texts of 401 and 403 are ours), 1.4 (subaccounts).
"""

from __future__ import annotations

import binascii

from merpati.accounts.keys import KeyIdentity
from merpati.api.errors import ApiError, refusal
from merpati.sending.directory import Directory


def unauthorized() -> ApiError:
    """Return the one answer to a missing, malformed, unknown or revoked key."""
    return refusal(401, "Unauthorized.", problem="unauthorized")


def forbidden() -> ApiError:
    """Return the answer to a key without the grant that a call needs."""
    return refusal(403, "Forbidden.", problem="forbidden")


def identify(header: str, grant: str, directory: Directory) -> KeyIdentity:
    """Return who calls, by the Authorization header. Raises ApiError 401 or 403."""
    key = key_of(header)
    identity = directory.identity(key) if key else None
    if identity is None:
        raise unauthorized()
    if grant not in identity.grants:
        raise forbidden()
    return identity


def key_of(header: str) -> str:
    """Return the key in `KEY`, `Bearer KEY` or `Basic base64(KEY:)`, "" when there is none."""
    scheme, _, rest = header.strip().partition(" ")
    if not rest:
        return scheme
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            return _user_name(rest.strip())
        case _:
            return ""


def _user_name(credentials: str) -> str:
    try:
        decoded = binascii.a2b_base64(credentials, strict_mode=True).decode("ascii")
    except ValueError:  # binascii.Error and UnicodeDecodeError
        return ""
    return decoded.partition(":")[0]


def check_subaccount(header: str) -> None:
    """Refuse a subaccount that does not exist; there are none yet, 0 is the account itself.

    Raises ApiError 400.
    """
    number = header.strip()
    if not number.isascii() or not number.isdigit():
        raise refusal(400, "invalid params", "X-MSYS-SUBACCOUNT must be an integer", "1200")
    if number.strip("0"):
        raise refusal(400, "invalid params", f"subaccount {number[:20]} does not exist", "1200")
