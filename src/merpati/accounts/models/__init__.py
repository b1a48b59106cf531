"""What the database keeps of accounts: a subject a file."""

from merpati.accounts.models.agreements import (
    OrderAcknowledgement,
    PrivacyAcknowledgement,
    PublishedNotice,
)
from merpati.accounts.models.customers import Account, ApiKey, AuditEntry, Plan, ServiceTimeZone
from merpati.accounts.models.users import Invitation, Language, Membership, User

__all__ = [
    "Account",
    "ApiKey",
    "AuditEntry",
    "Invitation",
    "Language",
    "Membership",
    "OrderAcknowledgement",
    "Plan",
    "PrivacyAcknowledgement",
    "PublishedNotice",
    "ServiceTimeZone",
    "User",
]
