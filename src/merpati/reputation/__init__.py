"""Reputation: what a sending IP may send to a mailbox provider, inferred from what it answered."""
