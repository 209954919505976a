"""Published values of the methods of this package."""
