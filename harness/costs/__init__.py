"""What a step takes and what a device has, free of torch."""
