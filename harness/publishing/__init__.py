"""A run for others: its model card, and the way to the hub."""
