"""How far a number may be off: numbers alone, nothing of what they measure.

Items that share a picture are drawn together (a cluster), and a rate is a ratio of sums that is
computed anew for every draw. `clusters` holds the sums, `bootstrap` draws them, `measure` makes an
interval of draws and seeds, `compare` tests two rows on the same items.
"""
