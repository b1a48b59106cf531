"""Django's registration of the room."""

from django.apps import AppConfig


class SendingConfig(AppConfig):
    """Sending IPs and pools, domains, routes, suppression, the sending policy."""

    name = "merpati.sending"
    label = "sending"

    def ready(self) -> None:
        """Follow what happens to accounts: a new one needs a pool, each change a new policy."""
        from merpati.sending import follow_accounts  # noqa: PLC0415 models load first

        follow_accounts.connect()
