"""Django's registration of the room."""

from django.apps import AppConfig


class PlansConfig(AppConfig):
    """Warm-up and migration plans, stored and carried out."""

    name = "merpati.plans"
    label = "plans"
