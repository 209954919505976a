"""Commands for who writes a package of their own."""
