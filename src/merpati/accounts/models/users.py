"""People who sign in: customers' members, the desk's staff, administrators.

Only `users.py` and `invitations.py` write these. A member of the staff is the desk's person, and a
customer's member its contact, of the same address.

Source: mission clauses C2, C9, C11 (who uses the desk, and in which language).
"""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from merpati.accounts.models.customers import Account
from merpati.accounts.roles import Role, StaffRole


class Language(models.TextChoices):
    """Languages in which people are written to."""

    ENGLISH = "en", "English"
    INDONESIAN = "id", "Bahasa Indonesia"


class UserManager(BaseUserManager["User"]):
    """Finds users as they sign in."""

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the user with this address, however it is written. Raises User.DoesNotExist."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """Somebody who signs in, by their address; without a password until they accept."""

    email = models.CharField(max_length=254, unique=True)  # lower case
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=5, choices=Language, default=Language.ENGLISH)
    time_zone = models.CharField(max_length=64, default="UTC")  # IANA, "Asia/Jakarta"
    staff_role = models.CharField(max_length=20, choices=StaffRole, blank=True, default="")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]  # noqa: RUF012 - so Django declares it

    objects = UserManager()

    class Meta:
        """Staff have a known role."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(staff_role__in=["", *StaffRole.values]),
                name="user_staff_role_is_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class Membership(models.Model):
    """A user's part in an account."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)
    created_at = models.DateTimeField()

    class Meta:
        """One role each."""

        constraints = (
            models.UniqueConstraint(fields=["account", "user"], name="member_once_an_account"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role_is_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} of {self.account_id}"


class Invitation(models.Model):
    """A link by which a user chooses a password, once. Only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    token_hash = models.CharField(max_length=64, unique=True)  # SHA-256, hexadecimal
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.user_id} until {self.expires_at:%Y-%m-%d}"
