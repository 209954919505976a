"""Model checkpoints: where they come from, whether they are whole, and how each family works."""
