"""By how much the chosen response of a pair is better, and how bad the rejected one is."""
