"""Commands on the folders of runs that are there."""
