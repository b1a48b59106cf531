"""Signing in: what allauth and axes ask of us, mail about it, sessions, and what comes first."""
