"""What a run would do and what stands in its way, before anything is spent."""
