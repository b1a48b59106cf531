"""Warm-up policies against simulated providers: `python -m bench.warmup`."""
