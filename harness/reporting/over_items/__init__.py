"""What the items of runs say about their numbers: intervals, and differences between rows.

All of it is made of the stored items of run folders alone. `drawing` reads and draws them,
`differences` compares the rows of a table.
"""
