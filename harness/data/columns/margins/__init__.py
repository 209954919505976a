"""By how much the chosen response of a pair is better, and what MM-DPO makes of it."""
