"""Look at preference pairs in the terminal."""
