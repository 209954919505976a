"""Tables of results, a file for each kind of page."""
