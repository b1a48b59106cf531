"""What the database keeps of accounts: a subject a file."""

from merpati.accounts.models.customers import Account, ApiKey, AuditEntry, Plan, ServiceTimeZone
from merpati.accounts.models.users import Language, Membership, User

__all__ = [
    "Account",
    "ApiKey",
    "AuditEntry",
    "Language",
    "Membership",
    "Plan",
    "ServiceTimeZone",
    "User",
]
