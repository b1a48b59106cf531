"""Django's registration of the room."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts, order forms, API keys and the audit trail."""

    name = "merpati.accounts"
    label = "accounts"
