"""How far a judge is from the published one, on answers whose official replies are public."""
