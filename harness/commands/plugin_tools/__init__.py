"""Commands for who writes a method of their own."""
