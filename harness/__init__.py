"""Orchestration: everything that touches disk, GPU, network or clock.

One run as a story: `commands` turns words into a request; `settings` resolves it to specifications
whose every value has an origin; `planning` collects all problems; `reproduce` opens the folders of
`runs` and calls `training` and `evaluation`; `reporting` finds the runs that stand side by side and
writes tables. This package imports `methods` and `benchmarks`; neither imports anything from here.
"""
