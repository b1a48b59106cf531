"""Which account a report is asked for: by number, or by name."""

from __future__ import annotations


def account_number(reference: str | None) -> int | None:
    """Return the number of the account meant, None for all. Raises AccountNotFound for a name.

    A number need not be an account's: events and mail outlive what the database knows.
    """
    from merpati.accounts.actions import find_account, is_number  # noqa: PLC0415 - needs Django

    if reference is None:
        return None
    return int(reference) if is_number(reference) else find_account(reference).pk
