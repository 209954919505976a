"""Saved answers: read in every known format and matched to samples."""
