"""From the files of a preference data set to one Arrow file that is mapped into memory.

`source` finds the files (a path, a mirror, the hub), `records` reads their rows one batch after
another, `layout` turns a row of any known format into the same columns, and `store` keeps the
result in the cache.
"""
