"""What is needed to go on with a run, and how other ranks read it."""
