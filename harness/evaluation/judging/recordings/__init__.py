"""Replies that other programs recorded: read in every known form and matched to samples."""
