"""Orchestration: everything that touches disk, GPU, network or clock.

One run as a story: `cli` turns words into a `request`; `registry` finds the method; `presets`
resolves a `spec` whose every value has an origin; `preflight` collects all problems; `rundir` and
`manifest` open the folder; `data`, `training` and `evaluation` fill it; `reporting` writes tables.
This package imports `methods` and `benchmarks`; neither imports anything from here.
"""
