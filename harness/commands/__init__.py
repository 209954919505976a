"""The commands, one file per kind; each imports what it needs when it runs."""
