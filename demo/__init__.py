"""The demonstration that `make demo` runs: the real service, a real client, a real receiver."""
