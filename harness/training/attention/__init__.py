"""Attention over packed rows: one kernel per device, checked against each other."""
