"""Warm-up on the console: what both sides' pages of it show."""
