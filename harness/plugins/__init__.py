"""Packages of one's own: made from templates, and held against what they must keep to."""
