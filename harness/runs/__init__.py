"""The folder of a run: what lies where, what made it, how far it is."""
