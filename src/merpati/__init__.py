"""Merpati: a self-hosted managed email service."""

__version__ = "0.1.0"
