"""Benchmarks on real data: `python -m benchmarks.NAME` prints a table, with --json one JSON object."""
