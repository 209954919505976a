"""Whether numbers are still what they were: runs against a committed table.

`reference` reads the table, `measured` makes the numbers of today, `moves` holds them against it,
`regress` shows what moved, and `update` writes it down.
"""
