"""Speed of this library beside its peers, in one run: `python -m benchmarks.run`."""
