"""Django's entry for this room."""

from __future__ import annotations

import logging

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Templates, static files and template tags; no models."""

    name = "merpati.console"
    label = "console"

    def ready(self) -> None:
        """Keep Django from logging what `views/errors.py` logs, and a line for each 404."""
        logging.getLogger("django.request").setLevel(logging.CRITICAL)
