"""Benchmarks: seeded corpora, whole processes, ratios taken in one run, JSON lines."""
