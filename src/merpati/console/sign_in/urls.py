"""Pages of signing in, of users, and of what they agree to.

allauth's are here by the names that it knows; what of it is not here is switched off.
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.urls import path, re_path

from merpati.console.views import invitation, me, order_form, privacy, staff, users

_ME = "me/two-factor"

urlpatterns = [
    path("invitation/<str:token>", invitation.accept, name="invitation"),
    path("me", me.show, name="me"),
    path("me/sessions", me.sessions, name="sessions"),
    path("users", users.members, name="members"),
    path("users/all", users.everybody, name="all-users"),
    path("users/staff", staff.show, name="staff"),
    path("users/staff/<int:user_id>/role", staff.set_role, name="staff-role"),
    path("users/all/<int:user_id>/access", staff.set_access, name="user-access"),
    path("users/<int:user_id>/role", users.set_role, name="member-role"),
    path("users/<int:user_id>/access", users.set_access, name="member-access"),
    path("users/<int:user_id>/remove", users.remove, name="member-remove"),
    path("order-form", order_form.show, name="order-form"),
    path("privacy", privacy.show, name="privacy"),
    path("sign-in", account.login, name="account_login"),
    path("sign-in/second-factor", mfa.authenticate, name="mfa_authenticate"),
    path("sign-in/passkey", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("sign-in/disabled", account.account_inactive, name="account_inactive"),
    path("sign-in/forgotten", account.password_reset, name="account_reset_password"),
    path("sign-in/forgotten/sent", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^sign-in/new-password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "sign-in/new-password",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("sign-out", account.logout, name="account_logout"),
    path("me/password", account.password_change, name="account_change_password"),
    path("me/password/first", account.password_set, name="account_set_password"),
    path("sign-in/again", account.reauthenticate, name="account_reauthenticate"),
    path("sign-in/again/code", mfa.reauthenticate, name="mfa_reauthenticate"),
    path(
        "sign-in/again/passkey",
        passkeys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    path(_ME, mfa.index, name="mfa_index"),
    path(f"{_ME}/app", totp.activate_totp, name="mfa_activate_totp"),
    path(f"{_ME}/app/remove", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path(f"{_ME}/codes", recovery_codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        f"{_ME}/codes/new",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        f"{_ME}/codes/file",
        recovery_codes.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path(f"{_ME}/passkeys", passkeys.list_webauthn, name="mfa_list_webauthn"),
    path(f"{_ME}/passkeys/new", passkeys.add_webauthn, name="mfa_add_webauthn"),
    path(f"{_ME}/passkeys/<int:pk>/name", passkeys.edit_webauthn, name="mfa_edit_webauthn"),
    path(f"{_ME}/passkeys/<int:pk>/remove", passkeys.remove_webauthn, name="mfa_remove_webauthn"),
]
