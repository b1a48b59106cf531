"""Why a transmission was refused as a whole: nothing of it was accepted.

Each carries what its edge needs to say it in its own words: `message` for people, `field` as the
path in the request (`content.subject`). What is wrong with one recipient alone is no exception but
a `RejectedRecipient`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merpati.sending.errors import SendingError


@dataclass(frozen=True, slots=True)
class RejectedRecipient:
    """One recipient that was not accepted; the others of its transmission were.

    is_missing: a required field was not given, else a given one cannot be used.
    """

    reason: str
    is_missing: bool = False


class InjectionRefused(SendingError):
    """Base of this module's errors."""


class FieldMissing(InjectionRefused):
    """A field that every transmission needs was not given."""


class FieldInvalid(InjectionRefused):
    """A field has a form, a type or a length that cannot be used."""


class HeaderRefused(InjectionRefused):
    """A header would break the message or belongs to a field of its own (test case H1, H3)."""


class MetadataTooLarge(InjectionRefused):
    """Metadata of the transmission is over its limit."""


class SubstitutionDataTooLarge(InjectionRefused):
    """Substitution data of the transmission is over its limit."""


class SenderUnverified(InjectionRefused):
    """The account may not send from this domain: not its own, or not verified yet."""

    def __init__(self, domain: str, field: str) -> None:
        super().__init__("Unconfigured or unverified sending domain.", field)
        self.domain = domain


class PoolUnknown(InjectionRefused):
    """The account has no pool of this name."""

    def __init__(self, pool: str) -> None:
        super().__init__(f"ip_pool '{pool}' does not exist", "options.ip_pool")
        self.pool = pool


class PoolWithoutIps(InjectionRefused):
    """The pool holds no sending IP, so the mail could never leave."""

    def __init__(self, pool: str) -> None:
        super().__init__(
            f"IP pool '{pool}' has no sending IP. Add one to it (merpati ip add ADDRESS --pool "
            f"{pool}), or name a pool that has one in options.ip_pool.",
            "options.ip_pool",
        )
        self.pool = pool


class NoValidRecipient(InjectionRefused):
    """Every recipient was rejected, or none was given."""

    def __init__(self, rejected: Sequence[RejectedRecipient]) -> None:
        super().__init__("At least one valid recipient is required", "recipients")
        self.rejected = rejected


class AccountSuspended(InjectionRefused):
    """The account may not send at present."""

    def __init__(self) -> None:
        super().__init__("This account is suspended: it cannot send. Ask your representative.")
