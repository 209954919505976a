"""The tiny world: scenes, models and question files made on the spot in the published formats.

It is a source of data and models, not a code path: nothing outside this folder may know that a
file came from here.
"""
