"""The benchmarks' published files: where they are, how they get here, whether they are right."""
