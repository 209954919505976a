"""What a number is a number of: trainings named by what decides them, and not by where it lies."""
