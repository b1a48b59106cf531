"""Warm-up as it is carried out: what was sent, what may be sent next, who is told."""
