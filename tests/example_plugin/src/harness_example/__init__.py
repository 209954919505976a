"""A method and a benchmark that are no part of the harness."""
