"""What is computed once before training and read in every step."""
