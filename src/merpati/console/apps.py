"""Django's entry for this room."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Templates, static files and template tags; no models."""

    name = "merpati.console"
    label = "console"
