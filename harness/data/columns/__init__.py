"""Columns: numbers per pair that a method reads, computed once before training."""
