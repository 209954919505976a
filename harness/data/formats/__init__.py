"""The layouts in which people keep preference pairs: one file each, and one table of them.

A format tells by the names and kinds of a data set's fields whether it fits, and makes pairs of a
row. Packages add formats by the entry point `harness.formats`.
"""
