"""From scorecards to tables: the only place where numbers of different runs meet.

`compare` puts runs side by side, one column per benchmark, metric and evaluation setting, so that
two judges or two versions of the data never share a column. `statistics` turns seeds into a mean
with its interval, `published` reads the committed numbers of papers with their sources, and
`tables` writes Markdown for people and CSV for programs.
"""
