"""LLaVA-1.5 in its first layout, read and converted."""
