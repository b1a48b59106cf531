"""Django's registration of the room."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    """Business hours of the Service Time Zones."""

    name = "merpati.desk"
    label = "desk"
