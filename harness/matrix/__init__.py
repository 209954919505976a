"""Many runs with one command: every method, size and seed asked for is a cell."""
