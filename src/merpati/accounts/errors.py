"""What can go wrong in this room; each edge maps these to its own protocol in one place.

`message` is for people: what was wrong and what to do. `field` names the input that was wrong, as
the action's parameter, or is empty.
"""

from __future__ import annotations


class AccountsError(Exception):
    """Base of this room's errors."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidOrder(AccountsError):
    """A line of the order form cannot be used."""


class AccountExists(AccountsError):
    """There is an account of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is an account named {name!r} already: choose another name.", "name"
        )
        self.name = name


class AccountNotFound(AccountsError):
    """No account has this number or name."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"There is no account {reference!r}; merpati account list shows them all.", "account"
        )
        self.reference = reference


class InvalidAccountChange(AccountsError):
    """The account cannot be changed so."""


class AccountClosed(AccountsError):
    """The account was closed, which is for good."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Account {name} is closed, and stays so: create a new one to send again.", "account"
        )
        self.name = name


class InvalidKeyRequest(AccountsError):
    """A label or grant of a wanted key cannot be used."""


class ApiKeyNotFound(AccountsError):
    """The account has no such key, or it was revoked before."""

    def __init__(self, key_id: int) -> None:
        super().__init__(
            f"The account has no API key number {key_id} in use; merpati key list shows them all.",
            "key",
        )
        self.key_id = key_id


class UserNotFound(AccountsError):
    """Nobody signs in with this address."""

    def __init__(self, email: str) -> None:
        super().__init__(
            f"Nobody signs in as {email[:100]!r}; merpati user list shows everybody.", "email"
        )
        self.email = email


class InvalidUser(AccountsError):
    """Something said of a user cannot be used."""


class AlreadyMember(AccountsError):
    """The user has a part in the account."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is a member already: change their role instead.", "email")
        self.email = email


class NotMember(AccountsError):
    """The user has no part in the account."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is no member of this account: invite them first.", "email")
        self.email = email


class MemberElsewhere(AccountsError):
    """An owner keeps out only who has no other part: each account decides for itself."""

    def __init__(self, email: str) -> None:
        super().__init__(
            f"{email} has a part in another account or in the staff: remove them from this account "
            "instead.",
            "email",
        )
        self.email = email


class LastOwner(AccountsError):
    """An account keeps one owner who can sign in."""

    def __init__(self, account: str) -> None:
        super().__init__(
            f"{account} would have no owner: make somebody else its owner first.", "role"
        )
        self.account = account


class LastAdministrator(AccountsError):
    """Merpati keeps one administrator who can sign in."""

    def __init__(self) -> None:
        super().__init__(
            "Nobody would be left to administer: make somebody else administrator first.", "role"
        )


class InvitationInvalid(AccountsError):
    """The link was used, is too old, or is none."""

    def __init__(self) -> None:
        super().__init__("This link was used or is too old: ask whoever invited you for a new one.")


class InvalidNotice(AccountsError):
    """The privacy notice cannot be published so."""


class NoticeReplaced(AccountsError):
    """Another version of the privacy notice is in force."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Version {version} of the privacy notice was replaced: read the one in force.",
            "version",
        )
        self.version = version
