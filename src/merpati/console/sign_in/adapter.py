"""What allauth asks of us: no signing up, our own mail, secrets sealed, who needs a second factor.

Source: allauth 65 documentation, "Adapter" of account and of mfa.
"""

from __future__ import annotations

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext, override

from merpati.accounts import audit
from merpati.accounts.models import User
from merpati.accounts.users import actor
from merpati.console.services import services
from merpati.console.sign_in.mail import post_change, post_new_password
from merpati.console.sign_in.second_factor import is_required


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth has no types
    """Passwords and mail about them."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People are invited."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave the brake on passwords to axes, which holds across processes and restarts."""

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask for the password again, unless they have just signed in."""
        records = get_authentication_records(self.request, self.request.user)
        last = max((float(record["at"]) for record in records), default=0.0)
        return bool(time.time() - last > app_settings.REAUTHENTICATION_TIMEOUT)

    def set_password(self, user: User, password: str) -> None:
        """Change a password; other sessions end with it, and the links of invitations."""
        with transaction.atomic():
            super().set_password(user, password)
            user.invitations.filter(used_at=None).delete()
            audit.record(
                "change_password", user.email, by=actor(user), now=services().now, account_id=None
            )

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return a link to where people reach the console, whatever the Host header says."""
        return f"{settings.CONSOLE_URL}/sign-in/new-password/{key}"

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Post a link to choose a new password; who is disabled gets none."""
        if user.is_active:
            post_new_password(user, context["password_reset_url"], services().now)

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Post what was changed of how somebody signs in."""
        with override(user.language):
            what = _what_changed(template_prefix.rpartition("/")[2])
        where_from = {
            "address": self.get_client_ip(self.request),
            "device": self.get_http_user_agent(self.request)[:200] or "?",
            "link": settings.CONSOLE_URL,
        }
        post_change(user, what, where_from, services().now)


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth has no types
    """Authenticators, passkeys and recovery codes."""

    def encrypt(self, text: str) -> str:
        """Seal a secret for the database."""
        return services().secret_box.encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Open a secret from the database."""
        return services().secret_box.decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Keep the last second factor of somebody who needs one."""
        if not is_required(authenticator.user.staff_role):
            return True
        second = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
        others = Authenticator.objects.filter(user=authenticator.user, type__in=second)
        return bool(others.exclude(pk=authenticator.pk).exists())


def _what_changed(event: str) -> str:
    match event:
        case "totp_activated":
            return gettext("An authenticator app was set up.")
        case "totp_deactivated":
            return gettext("The authenticator app was removed.")
        case "webauthn_added":
            return gettext("A passkey was added.")
        case "webauthn_removed":
            return gettext("A passkey was removed.")
        case "recovery_codes_generated":
            return gettext("New recovery codes were made.")
        case _:  # password_changed, password_reset, password_set
            return gettext("The password was changed.")
