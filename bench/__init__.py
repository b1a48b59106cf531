"""The project's own benchmark: Merpati and its peer, one workload, one machine, one run.

`python -m bench` measures and prints; it never decides whether tests pass. Figures belong to the
machine they were taken on: compare ratios of one run, not absolute values of two.
"""
