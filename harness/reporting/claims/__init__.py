"""What a paper says of its method, against what was measured here.

A claim is data beside a preset (`harness.settings.claims`). `quantities` says what is measured for
it, `verdict` what follows, `judging` goes through the claims of a method, `runs` finds the runs,
`show` prints.
"""
