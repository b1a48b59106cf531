"""Django's registration of the room."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Alerts; events themselves have a store of their own (`store.py`)."""

    name = "merpati.events"
    label = "events"
