"""Methods that need no reference model."""
