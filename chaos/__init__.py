"""Kills the running service again and again under load, then counts what was lost."""
