"""What every method keeps to, as laws that hold for a loss without a model or data."""
