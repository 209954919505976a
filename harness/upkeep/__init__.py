"""Runs as things that can be checked, moved and removed; only their folders are looked at."""
