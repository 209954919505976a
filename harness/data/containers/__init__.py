"""Kinds of files that hold rows, each read one batch after another."""
