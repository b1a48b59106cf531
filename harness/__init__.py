"""Starts the real `merpati run` and talks to it: shared by demo, chaos, bench and journeys."""
